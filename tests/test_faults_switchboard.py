"""The switchboard of faults: the file, and the switches that a process makes of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability.telemetry import Telemetry, silent
from cart_platform.bootstrap import assemble
from cart_platform.errors import CartscopeError
from cart_platform.faults.switchboard import Switchboard, SwitchedOn, switched_on
from cart_platform.faults.switches import Switches
from cart_platform.settings import Settings
from support.observability import lines_of
from support.polling import eventually


@pytest.fixture
def board(tmp_path: Path) -> Switchboard:
    """A switchboard in a folder that is not there yet."""
    return Switchboard(tmp_path / "shared" / "faults.json")


def test_no_file_is_no_fault(board: Switchboard) -> None:
    """A switchboard that nobody has touched has nothing on it, and leaves nothing behind."""
    assert ([], None) == (board.read(), board.signature())
    assert not board.file.parent.exists()


def test_on_and_off(board: Switchboard) -> None:
    """What is switched on is on until it is switched off, for each handler once."""
    first, again, other = (switched_on("slow-handler", handler) for handler in ("a", "a", "b"))
    board.on([first])
    board.on([switched_on("paused-relay")])
    board.on([again, other])
    assert [("paused-relay", None), ("slow-handler", "a"), ("slow-handler", "b")] == [e.key for e in board.read()]
    assert again in board.read()
    assert (True, False) == (board.off("slow-handler"), board.off("slow-handler"))
    assert ["paused-relay"] == [entry.fault for entry in board.read()]
    board.clear()
    assert [] == board.read()


def test_a_time_that_has_passed(board: Switchboard) -> None:
    """A fault whose seconds are over is off, and is not written again."""
    now = datetime.now(UTC)
    board.on([SwitchedOn("slow-handler", now, "a", now - timedelta(seconds=1)), switched_on("burst", seconds=60)])
    assert ["burst"] == [entry.fault for entry in board.read()]
    board.on([switched_on("paused-relay")])
    assert "slow-handler" not in board.file.read_text()


def test_every_change_has_a_signature(board: Switchboard) -> None:
    """A process sees that the file has changed, however quickly changes follow each other."""
    signatures = set()
    for _ in range(50):
        board.on([switched_on("paused-relay")])
        signatures.add(board.signature())
    assert 50 == len(signatures)


def test_one_takes(board: Switchboard) -> None:
    """Of several that would take an entry at once, one does."""
    entry = switched_on("poison-message", "a")
    board.on([entry, switched_on("paused-relay")])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: Switchboard(board.file).take(entry), range(8)))
    assert 1 == sum(taken)
    assert ["paused-relay"] == [kept.fault for kept in board.read()]


DAMAGED = [b"", b"{", b"[]", b'{"faults": [{}]}', b'{"faults": [{"fault": 1, "since": "now"}]}', b"\xff\x00"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file(board: Switchboard, content: bytes) -> None:
    """A file that cannot be read is said in one line with what mends it, and that does."""
    board.clear()
    board.file.write_bytes(content)
    for act in (board.read, lambda: board.on([switched_on("burst")]), lambda: board.off("burst")):
        with pytest.raises(CartscopeError, match=r"cannot be read .*: cartscope faults off --all makes it anew"):
            act()
    assert content == board.file.read_bytes()
    board.clear()
    assert [] == board.read()


VALUES = st.recursive(
    st.none() | st.text() | st.integers() | st.sampled_from(["fault", "since", "2026-11-23T23:00:00Z"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["fault", "since", "handler", "until"]), inner),
    max_leaves=6,
)


@given(st.binary(max_size=50) | VALUES.map(lambda value: json.dumps({"faults": value}).encode()))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the file holds, it is read or refused."""
    file = tmp_path_factory.mktemp("board") / "faults.json"
    file.write_bytes(content)
    try:
        Switchboard(file).read()
    except CartscopeError:
        return


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A switchboard that cannot be written is said in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CartscopeError, match="cannot be written"):
        Switchboard(tmp_path / "file" / "faults.json").on([switched_on("burst")])


@asynccontextmanager
async def process(board: Switchboard, folder: Path) -> AsyncIterator[tuple[Switches, Path]]:
    """The switches of a process, and its log file."""
    telemetry = Telemetry.start("process", log_folder=folder, stdout=False)
    switches = Switches(board, telemetry)
    try:
        yield switches, folder / "process.log"
    finally:
        await switches.close()
        telemetry.close()


def told(log: Path) -> list[tuple[Any, ...]]:
    """What the log says of faults."""
    names = ("event.action", "cartscope.fault", "cartscope.handler")
    return [tuple(line.get(name) for name in names) for line in lines_of(log)]


async def test_a_switch_turns(board: Switchboard, tmp_path: Path) -> None:
    """A switch follows the file within a second, in time and in both directions, and each turn is told once."""
    async with process(board, tmp_path) as (switches, log):
        relay, slow = switches.switch("paused-relay"), switches.switch("slow-handler", "a")
        await switches.awaken()
        await switches.awaken("a")
        board.on([switched_on("paused-relay"), switched_on("slow-handler", "b")])
        async with asyncio.timeout(1):
            await relay.until(on=True)
        board.off("paused-relay")
        async with asyncio.timeout(1):
            await relay.until(on=False)
        board.on([switched_on("slow-handler", "a", seconds=0.5)])
        await slow.until(on=True)
        await slow.until(on=False)
    assert [
        ("fault.injected", "paused-relay", None),
        ("fault.ended", "paused-relay", None),
        ("fault.injected", "slow-handler", "a"),
        ("fault.ended", "slow-handler", "a"),
    ] == told(log)


async def test_asleep(board: Switchboard, tmp_path: Path) -> None:
    """A process acts on no fault of a handler that it does not run."""
    board.on([switched_on("slow-handler", "a"), switched_on("paused-relay")])
    async with process(board, tmp_path) as (switches, log):
        asleep, relay = switches.switch("slow-handler", "a"), switches.switch("paused-relay")
        await switches.awaken()
        assert (False, True) == (asleep.on, relay.on)
        await switches.awaken("a")
        assert asleep.on
    assert [("fault.injected", "paused-relay", None), ("fault.injected", "slow-handler", "a")] == told(log)[:2]


async def test_a_damaged_file_is_told_once(board: Switchboard, tmp_path: Path) -> None:
    """A damaged file switches everything off, is one line in the log, and a sound one works again."""
    async with process(board, tmp_path) as (switches, log):
        relay = switches.switch("paused-relay")
        board.on([switched_on("paused-relay")])
        await switches.awaken()
        board.file.write_text("{")
        await relay.until(on=False)
        board.clear()
        board.on([switched_on("paused-relay")])
        await relay.until(on=True)
    actions = [action for action, *_ in told(log)]
    assert ["fault.injected", "faults.unusable", "fault.ended", "fault.injected", "fault.ended"] == actions


def happened_often(happened: list[str], times: int) -> bool:
    """Whether it happened so often."""
    return len(happened) >= times


async def test_what_happens_once(board: Switchboard, tmp_path: Path) -> None:
    """What happens once happens in one of the processes that could, once for each time that it is switched on."""
    happened: list[str] = []

    async def happen() -> None:
        happened.append("x")

    async with process(board, tmp_path / "1") as (first, _), process(board, tmp_path / "2") as (second, _):
        for switches in (first, second):
            switches.once("poison-message", "a", happen)
            await switches.awaken("a")
        for times in (1, 2):
            board.on([switched_on("poison-message", "a")])
            await eventually(partial(happened_often, happened, times))
            await eventually(lambda: not board.read())
    assert 2 == len(happened)
    assert 4 == len(told(tmp_path / "1/process.log") + told(tmp_path / "2/process.log"))


def test_nothing_is_installed_without_the_setting(tmp_path: Path) -> None:
    """Without a switchboard a process has the very handlers, store and bus that its settings name."""
    settings = Settings(store_url=f"sqlite:///{tmp_path}/s.db", bus_url=f"sqlite:///{tmp_path}/b.db")
    plain = assemble(settings, silent())
    disturbable = assemble(settings.model_copy(update={"faults_file": tmp_path / "faults.json"}), silent())
    modules = [
        {type(parts.store).__module__, type(parts.bus).__module__} | {row.handle.__module__ for row in parts.handlers}
        for parts in (plain, disturbable)
    ]
    assert not any(module.startswith("cart_platform.faults") for module in modules[0])
    assert all(module.startswith("cart_platform.faults") for module in modules[1])
    assert not (tmp_path / "faults.json").exists()
