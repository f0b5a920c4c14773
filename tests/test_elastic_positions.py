"""How far each log file was shipped is kept from one process to the next."""

from pathlib import Path

import pytest

from cart_observability.elastic.positions import REMEMBERED, Positions


def test_positions_are_kept(tmp_path: Path) -> None:
    """Positions are there for the next process."""
    path = tmp_path / "positions.json"
    Positions(path).advance({"a": 5, "b": 6})
    kept = Positions(path)
    assert (5, 6, 0) == (kept.of("a"), kept.of("b"), kept.of("c"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "x"}', b'{"a": null}', b"\xff"])
def test_damaged_positions(tmp_path: Path, content: bytes) -> None:
    """A damaged file of positions counts as none, and is replaced."""
    path = tmp_path / "positions.json"
    path.write_bytes(content)
    positions = Positions(path)
    assert 0 == positions.of("a")
    positions.advance({"a": 7})
    assert 7 == Positions(path).of("a")


def test_old_positions_are_forgotten(tmp_path: Path) -> None:
    """Positions do not grow without bound; those of files that are read stay."""
    positions = Positions(tmp_path / "positions.json")
    positions.advance({"old": 1, "read": 1})
    for number in range(REMEMBERED):
        positions.advance({f"file-{number}": 1, "read": number})
    assert (0, REMEMBERED - 1, 1) == (positions.of("old"), positions.of("read"), positions.of(f"file-{REMEMBERED - 1}"))
