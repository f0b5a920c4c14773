"""The console's file stays within its bounds."""

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cart_observability.console.charts import marks
from cart_observability.console.events import events
from cart_observability.console.file import SignalFile
from cart_observability.console.logs import lines
from cart_observability.console.metrics import samples
from cart_observability.console.pruning import SIGNALS, Bounds, Pruner, Signal
from cart_observability.console.records import Line, Span
from cart_observability.console.traces import spans
from support.console_metrics import SECOND, T0, at, counter

MEGABYTE = 1 << 20
SCHEMAS = (lines.SCHEMA, spans.SCHEMA, events.SCHEMA, samples.SCHEMA)
ROWS = "CREATE TABLE IF NOT EXISTS heap (time INTEGER PRIMARY KEY, content BLOB NOT NULL);"
WAIT = 10.0
QUICK = 0.02
FOREVER = math.inf


def prune_heap(connection: sqlite3.Connection, rows: int) -> int:
    """Forget the oldest rows of a heap."""
    return prune_heap_before(connection, 1 << 62, rows)


def prune_heap_before(connection: sqlite3.Connection, time_: int, rows: int) -> int:
    """Forget the oldest rows of a heap from before a time."""
    some = "SELECT time FROM heap WHERE time < ? ORDER BY time LIMIT ?"
    return connection.execute(f"DELETE FROM heap WHERE time IN ({some})", (time_, rows)).rowcount


def oldest_of_heap(connection: sqlite3.Connection) -> int | None:
    """The time of a heap's oldest row."""
    found: tuple[int | None] = connection.execute("SELECT min(time) FROM heap").fetchone()
    return found[0]


HEAP = Signal(oldest_of_heap, prune_heap, prune_heap_before)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SignalFile]:
    """A file for all signals, and a heap."""
    file = SignalFile(tmp_path / "signals.db", [*SCHEMAS, ROWS])
    yield file
    file.close()


def write(file: SignalFile, first: int, rows: int, size: int = 4_000) -> None:
    """Put rows on the heap."""
    content = [(first + number, os.urandom(size)) for number in range(rows)]
    file.submit(lambda connection: connection.executemany("INSERT INTO heap VALUES (?, ?)", content).rowcount).result(
        WAIT
    )


def settle(file: SignalFile, pruner: Pruner, now: int) -> int:
    """Have everything done that is to be done; the number of slices."""
    for slices in range(10_000):
        if not file.submit(lambda connection: pruner.slice(connection, now)).result(WAIT):
            pruner.tidy()
            return slices
    raise AssertionError("there is no end to it")


def ask(file: SignalFile, query: str) -> int:
    """What one number is."""
    with file.reading() as connection:
        return int(connection.execute(query).fetchone()[0])


def test_room_can_be_given_back(file: SignalFile) -> None:
    """The file is one that can shrink."""
    assert 2 == ask(file, "PRAGMA auto_vacuum")


def test_the_file_stays_within_its_bound(file: SignalFile) -> None:
    """However much comes, the file and its log are not larger than they may be, and hold the newest of it."""
    bound, rows = 64 * MEGABYTE, 250
    pruner, largest = Pruner(file, Bounds(FOREVER, bound), [HEAP]), 0
    for number in range(120):
        write(file, number * rows, rows)
        settle(file, pruner, T0)
        largest = max(largest, file.size)
    kept = ask(file, "SELECT count(*) FROM heap")
    assert largest <= bound
    assert 120 * rows - 1 == ask(file, "SELECT max(time) FROM heap")
    assert kept == 1 + ask(file, "SELECT max(time) - min(time) FROM heap")
    assert kept * 4_000 > bound / 2


def test_a_file_that_is_too_large_shrinks(file: SignalFile) -> None:
    """A bound that is lower than what is there already is reached, by forgetting and by giving back room."""
    write(file, 0, 15_000)
    assert file.size > 60 * MEGABYTE
    slices = settle(file, Pruner(file, Bounds(FOREVER, 48 * MEGABYTE), [HEAP]), T0)
    assert slices > 3
    assert file.size <= 48 * MEGABYTE


def test_room_is_given_back_when_all_is_too_old(file: SignalFile) -> None:
    """What was kept for long enough is forgotten, and a file that is empty is small."""
    write(file, T0, 5_000)
    pruner = Pruner(file, Bounds(100), [HEAP])
    settle(file, pruner, at(99))
    assert 5_000 == ask(file, "SELECT count(*) FROM heap")
    settle(file, pruner, at(101))
    assert 0 == ask(file, "SELECT count(*) FROM heap")
    assert file.path.stat().st_size < 6 * MEGABYTE


def line(number: int, size: int) -> Line:
    """A log line that does not compress."""
    return Line(at(number), "info", "worker", "event.handled", "event handled", {"noise": os.urandom(size).hex()})


def span(number: int, size: int) -> Span:
    """A span of a trace of its own."""
    attributes = {"noise": os.urandom(size).hex()}
    return Span(
        f"{number + 1:032x}",
        f"{number + 1:016x}",
        None,
        "api",
        "work",
        "internal",
        at(number),
        at(number),
        None,
        attributes,
        (),
    )


def record(file: SignalFile, count: int, size: int) -> None:
    """A second's signals for each of so many seconds."""

    def work(connection: sqlite3.Connection) -> None:
        recorder = samples.Recorder("worker")
        for first in range(0, count, 100):
            numbers = range(first, min(count, first + 100))
            lines.record(connection, [line(number, 8) for number in numbers])
            spans.record(connection, [span(number, size) for number in numbers])
            marks.note(connection, [line(first, 1)._replace(action="process.started")])
        for number in range(count):
            recorder.record(connection, at(number), [counter("events_total", number)])

    file.submit(work).result(60)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, but not for ever."""
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(QUICK)


def oldest(file: SignalFile) -> dict[str, int]:
    """From when on each signal is kept, in seconds."""
    with file.reading() as connection:
        found = {
            module.__name__.rpartition(".")[2]: module.oldest(connection) for module in (lines, spans, marks, samples)
        }
    return {name: (time_ - T0) // SECOND for name, time_ in found.items() if time_ is not None}


def test_the_oldest_goes_first(file: SignalFile) -> None:
    """When a file is too large, all but samples is forgotten up to the same time; they, a small part of it, stay."""
    record(file, 4_000, 1_000)
    used = ask(file, "PRAGMA page_count") * 4096
    pruner = Pruner(file, Bounds(FOREVER, used * 3 // 4 + file.size - file.path.stat().st_size))
    settle(file, pruner, at(4_000))
    kept = oldest(file)
    assert 0 == kept["samples"]
    assert 300 < kept["lines"] < 3_000
    assert kept["lines"] == pytest.approx(kept["spans"], abs=300)
    assert kept["marks"] == pytest.approx(kept["spans"], abs=300)


def test_what_is_too_old_goes(file: SignalFile) -> None:
    """Of each signal nothing is kept for longer than it may be; samples go with the hour that they are in."""
    record(file, 4_000, 10)
    settle(file, Pruner(file, Bounds(3_600)), at(7_200 + 200))
    kept = oldest(file)
    assert kept["lines"] >= 3_800 - 128
    assert kept["spans"] >= 3_800
    assert 3_600 <= kept["samples"] <= 3_900


def test_slices_are_short(file: SignalFile) -> None:
    """However much there is to do, recording waits for none of it long."""
    record(file, 4_000, 100)
    write(file, T0, 10_000)
    pruner, longest = Pruner(file, Bounds(10, MEGABYTE), [*SIGNALS, HEAP]), 0.0
    is_more = True
    while is_more:
        began = time.perf_counter()
        is_more = file.submit(lambda connection: pruner.slice(connection, at(20_000))).result(WAIT)
        longest = max(longest, time.perf_counter() - began)
    assert longest < 1.0
    assert 0 == ask(file, "SELECT count(*) FROM heap")


async def test_while_it_is_written(file: SignalFile) -> None:
    """A pruner at work keeps up with lines and spans that come as fast as they can be kept."""
    stop, sizes = asyncio.Event(), []
    task = asyncio.create_task(Pruner(file, Bounds(FOREVER, 64 * MEGABYTE)).run(stop))
    async with asyncio.timeout(60):
        for first in range(0, 35_000, 250):
            numbers = range(first, first + 250)
            now = time.time_ns()
            told = (
                [line(number, 8)._replace(time=now) for number in numbers],
                [span(number, 900)._replace(start=now, end=now) for number in numbers],
            )
            await asyncio.wrap_future(file.submit(partial(keep, told), 500))
            sizes.append(file.size)
    stop.set()
    async with asyncio.timeout(WAIT):
        await task
    assert max(sizes) <= 64 * MEGABYTE
    assert 1_000 < ask(file, "SELECT count(*) FROM spans") < 34_000


def keep(told: tuple[list[Line], list[Span]], connection: sqlite3.Connection) -> None:
    """Keep some lines and spans."""
    lines.record(connection, told[0])
    spans.record(connection, told[1])


async def test_forgetting_that_fails(file: SignalFile, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be forgotten is told of once an outage, and tried again."""

    def fail(_connection: sqlite3.Connection) -> int:
        raise sqlite3.OperationalError("the disk is away")

    write(file, 0, 10)
    stop, signals = asyncio.Event(), [Signal(fail, prune_heap, prune_heap_before)]
    task = asyncio.create_task(Pruner(file, Bounds(FOREVER), signals).run(stop))
    await until(lambda: bool(caplog.records))
    signals[0] = HEAP
    stop.set()
    await task
    assert ["the console cannot forget what is old"] == [record.message for record in caplog.records]
