"""The embedded bus's file: what it refuses to start on, in one clear line, and what it keeps of headers."""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from cart_observability.telemetry import silent
from cart_platform.bus import Topology
from cart_platform.bus.sql import SqlBus
from cart_platform.bus.sql.row import encode_headers
from cart_platform.errors import CartscopeError, UsageError

NOBODY = Topology([], [])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The bus's file, not made yet."""
    return tmp_path / "bus.db"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/file", "postgresql://host/database", "file"]
)
def test_bad_url(url: str) -> None:
    """A URL that names no file is refused in one line."""
    with pytest.raises(UsageError) as refused:
        SqlBus(url, NOBODY, telemetry=silent())
    assert "\n" not in str(refused.value)


async def refusal(file: Path) -> str:
    """What `start` says."""
    bus = SqlBus(f"sqlite:///{file}", NOBODY, telemetry=silent())
    with pytest.raises(CartscopeError) as refused:
        await bus.start()
    await bus.close()
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)
    return str(refused.value)


async def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A folder that is absent, is a file, or stands where the file should be: one line that says what to check."""
    (tmp_path / "plain").touch()
    for file in (tmp_path / "absent" / "bus.db", tmp_path / "plain" / "bus.db", tmp_path):
        assert "check that its folder exists" in await refusal(file)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder without the right to write: one line."""
    tmp_path.chmod(0o500)
    assert "write" in asyncio.run(refusal(tmp_path / "bus.db"))
    tmp_path.chmod(0o700)


def test_not_a_database(file: Path) -> None:
    """Another kind of file is refused and left as it is."""
    file.write_text("a shopping list\n" * 100)
    assert "is not a SQLite database" in asyncio.run(refusal(file))
    assert file.read_text() == "a shopping list\n" * 100


async def test_other_version(file: Path) -> None:
    """A file of another version of the tables is refused."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "another version" in await refusal(file)


async def test_connected_metric(file: Path) -> None:
    """The bus tells whether its file can be used."""
    telemetry = silent()
    bus = SqlBus(f"sqlite:///{file}", NOBODY, telemetry=telemetry)

    def connected() -> float | None:
        return telemetry.registry.get_sample_value("cartscope_bus_connected", {"connection": "file"})

    await bus.start()
    assert connected() == 1
    await bus.close()
    assert connected() == 0


plain = st.text(st.characters(exclude_categories=["Cs"]))
values = st.one_of(plain, st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.booleans(), st.binary())


@given(st.dictionaries(plain, values))
def test_headers_roundtrip(headers: dict[str, Any]) -> None:
    """Text, numbers, truth values and bytes come back as what they were."""
    decoded = msgpack.decode(encode_headers(headers))
    assert decoded == headers
    assert [type(value) for value in decoded.values()] == [type(value) for value in headers.values()]
