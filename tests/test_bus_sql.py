"""What only the embedded bus promises: one file, several processes, a disk that may be full."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from cart_observability.telemetry import silent
from cart_platform.bus import Outcome, Topology
from cart_platform.bus.sql import SqlBus
from cart_platform.bus.sql.transactions import Step
from cart_platform.errors import Unavailable
from support.buses import HEADERS, LONG, PATIENCE, SHORT, Line, backlog_is, bodies, eventually, failure, receive

NOBODY = Topology([], [])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The bus's file, not made yet."""
    return tmp_path / "bus.db"


@pytest.fixture
def line(file: Path) -> Line:
    """Two queues in the file."""
    return Line(f"sqlite:///{file}")


Start = Callable[[], Awaitable[SqlBus]]


@pytest.fixture
async def start(line: Line) -> AsyncIterator[Start]:
    """Starts a bus on the line, as another process would; all are closed in the end."""
    started = []

    async def start() -> SqlBus:
        bus = line.bus()
        assert isinstance(bus, SqlBus)
        await bus.start()
        started.append(bus)
        return bus

    yield start
    for bus in started:
        await bus.close()


def ask(file: Path, statement: str) -> Any:
    """The first value that a statement gives, on a connection of its own."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=PATIENCE)
    row = connection.execute(statement).fetchone()
    connection.close()
    return row[0] if row else None


async def test_started_together(start: Start) -> None:
    """Several buses may make the same file at the same moment."""
    assert len(await asyncio.gather(*[start() for _ in range(5)])) == 5


async def test_publisher_that_knows_no_queues(line: Line, start: Start) -> None:
    """Bindings are in the file: a publisher without a topology reaches the queues that others declared."""
    publisher = SqlBus(line.url, NOBODY, telemetry=silent())
    await publisher.start()
    assert await publisher.publish([line.event()]) == [Outcome.UNROUTABLE]
    consumer = await start()
    assert await publisher.publish([line.event(body=b"found")]) == [Outcome.CONFIRMED]
    assert bodies(await receive(await consumer.subscribe(line.threshold, 1), 1)) == [b"found"]
    await publisher.close()


async def test_woken_by_another_process(line: Line, start: Start) -> None:
    """A waiting `receive` returns when another process publishes, gives back, or when its retry falls due."""
    here, there = await start(), await start()
    subscription = await here.subscribe(line.threshold, 10)
    waiting = asyncio.create_task(receive(subscription, 1))
    await here.ping()
    await there.publish([line.event(body=b"from there")])
    await subscription.ack(await waiting)
    await subscription.close()
    other = await there.subscribe(line.threshold, 10)
    await there.publish([line.event(body=b"1"), line.event(body=b"2")])
    first, _ = await receive(other, 2)
    await other.retry(first, SHORT, failure(1))
    await other.close()
    assert sorted(bodies(await receive(await here.subscribe(line.threshold, 10), 2))) == [b"1", b"2"]


async def test_retry_across_a_restart(line: Line, start: Start) -> None:
    """A retry falls due although nobody was there when it was asked for."""
    bus = await start()
    await bus.publish([line.event(body=b"later")])
    subscription = await bus.subscribe(line.threshold, 1)
    [delivery] = await receive(subscription, 1)
    await subscription.retry(delivery, LONG, failure(1))
    await bus.close()
    [again] = await receive(await (await start()).subscribe(line.threshold, 1), 1)
    assert (again.attempt, again.failures, again.redelivered) == (2, (failure(1),), False)


async def test_taken_for_dead(file: Path, line: Line, start: Start) -> None:
    """A process that was suspended for longer than its lease settles nothing that others hold, and hears again."""
    suspended, other = await start(), await start()
    await other.publish([line.event()])
    subscription = await suspended.subscribe(line.threshold, 1)
    stale = await receive(subscription, 1)
    await subscription.stop()
    listener = await suspended.listen(line.key("done"))
    ask(file, "UPDATE holders SET until = 0")
    elsewhere = await other.subscribe(line.threshold, 1)
    again = await receive(elsewhere, 1)
    assert again[0].redelivered
    await subscription.ack(stale)
    await backlog_is(other, line.threshold, 1)
    await elsewhere.ack(again)
    await backlog_is(other, line.threshold, 0)

    async def heard() -> bool:
        return await other.publish([line.result("done", body=b"heard")]) == [Outcome.CONFIRMED] and bool(
            ask(file, "SELECT count(*) FROM bindings WHERE holder IS NOT NULL")
        )

    await eventually(heard)
    await other.publish([line.result("done", body=b"heard")])
    assert set(bodies(await receive(listener, 1))) == {b"heard"}


async def test_nothing_is_left_of_listeners(file: Path, line: Line, start: Start) -> None:
    """Results take no room in the file while nobody of another process listens, and none after he has gone."""
    here, there = await start(), await start()
    own = await here.listen(line.key("done"))
    await here.publish([line.result("done"), line.result("unheard")])
    await receive(own, 1)
    assert ask(file, "SELECT count(*) FROM messages") == 0
    await there.listen(line.key("done"))
    deaf = await there.listen(line.key("other"))
    await here.publish([line.result("other") for _ in range(3)])
    await deaf.close()
    await there.close()
    await here.publish([line.result("other") for _ in range(3)])
    assert ask(file, "SELECT count(*) FROM messages") == 0
    assert ask(file, "SELECT count(*) FROM bindings WHERE holder IS NOT NULL") == 1


async def test_full_file(line: Line, start: Start) -> None:
    """When the file may not grow outcomes are unknown and nothing is lost; all goes on when there is room again."""
    bus = await start()
    subscription = await bus.subscribe(line.threshold, 10)
    await bus.publish([line.event(body=b"before")])
    held = await receive(subscription, 1)
    await bound(bus, 1)
    large = line.event(body=bytes(1_000_000))
    assert await bus.publish([large, line.event()]) == [Outcome.UNKNOWN] * 2
    await bound(bus, 1_000_000)
    assert await bus.publish([large]) == [Outcome.CONFIRMED]
    await subscription.ack(held)
    assert bodies(await receive(subscription, 1)) == [large.message.body]
    await backlog_is(bus, line.threshold, 1)


async def bound(bus: SqlBus, pages: int) -> None:
    """Let the file grow to so many pages, or not at all when it has more: SQLite then reports a full disk."""
    limit = Step[int, Any](lambda connection, _: [connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all()])
    await bus._file.run(limit, pages)


@pytest.fixture
def full_disk(file: Path) -> Iterator[Callable[[], None]]:
    """Called, it lets no file of this process grow beyond the bus's log; undone in the end."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        size = file.with_name(file.name + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_full_disk(line: Line, start: Start, full_disk: Callable[[], None]) -> None:
    """On a full disk settling waits until there is room, and then takes place."""
    bus = await start()
    subscription = await bus.subscribe(line.threshold, 10)
    large = line.event(body=bytes(1_000_000))
    await bus.publish([large, line.event(body=b"small")])
    first, second = await receive(subscription, 2)
    full_disk()
    settling = asyncio.gather(subscription.ack([first]), subscription.retry(second, SHORT, failure(1)))
    assert await bus.publish([large]) == [Outcome.UNKNOWN]
    assert not settling.done()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with asyncio.timeout(PATIENCE):
        await settling
    [again] = await receive(subscription, 1)
    assert (again.message.body, again.attempt) == (b"small", 2)
    assert await bus.publish([large]) == [Outcome.CONFIRMED]
    await backlog_is(bus, line.threshold, 2)


async def test_locked_file(file: Path, line: Line, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the file locked, outcomes are unknown and acks wait; then all goes on."""
    monkeypatch.setattr("cart_platform.bus.sql.file.BUSY_SECONDS", 0.05)
    bus = await start()
    await bus.publish([line.event()])
    subscription = await bus.subscribe(line.threshold, 1)
    held = await receive(subscription, 1)
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    acking = asyncio.create_task(subscription.ack(held))
    assert await bus.publish([line.event()]) == [Outcome.UNKNOWN]
    with pytest.raises(Unavailable, match="another process holds it"):
        await bus.purge(line.threshold)
    await bus.ping()
    assert not acking.done()
    locker.execute("ROLLBACK")
    locker.close()
    async with asyncio.timeout(PATIENCE):
        await acking
    await backlog_is(bus, line.threshold, 0)


async def test_one_that_fails(line: Line, start: Start) -> None:
    """What fails in a transaction fails alone; the others of its group are committed."""
    bus = await start()

    def fail(*_: object) -> Any:
        raise RuntimeError("broken")

    failing = asyncio.create_task(bus._file.run(Step[None, None](fail), None))
    assert await bus.publish([line.event()]) == [Outcome.CONFIRMED]
    with pytest.raises(RuntimeError, match="broken"):
        await failing
    await backlog_is(bus, line.threshold, 1)


async def test_message_that_cannot_be_written(line: Line, start: Start) -> None:
    """A message that no file can take is unknown for itself alone."""
    bus = await start()
    batch = [line.event(), line.event(message_id="\ud800"), line.event()]
    assert await bus.publish(batch) == [Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.CONFIRMED]


async def test_close_confirms_what_is_under_way(line: Line, start: Start) -> None:
    """Publishes that wait when the bus is closed come to an end first; later ones are unknown."""
    bus = await start()
    under_way = [asyncio.create_task(bus.publish([line.event()])) for _ in range(10)]
    await asyncio.gather(under_way[0])
    await bus.close()
    assert [Outcome.CONFIRMED] * 10 == [outcome for task in under_way for outcome in await task]
    assert await bus.publish([line.event()]) == [Outcome.UNKNOWN]
    with pytest.raises(Unavailable):
        await bus.ping()
    await backlog_is(await start(), line.threshold, 10)


async def test_cancelled_callers(line: Line, start: Start) -> None:
    """Cancelling who publishes or settles stops neither: receivers are woken, and there is room for more."""
    bus = await start()
    subscription = await bus.subscribe(line.threshold, 1)
    for name in (b"1", b"2"):
        waiting = asyncio.create_task(receive(subscription, 1))
        await bus.ping()
        await cancelled(bus.publish([line.event(body=name)]))
        deliveries = await waiting
        assert bodies(deliveries) == [name]
        await cancelled(subscription.ack(deliveries))
    await backlog_is(bus, line.threshold, 0)


async def cancelled(call: Coroutine[Any, Any, Any]) -> None:
    """Cancel a call that has begun."""
    task = asyncio.create_task(call)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_any_header(line: Line, start: Start) -> None:
    """Headers that no other bus could carry arrive as text at the least."""
    bus = await start()
    subscription = await bus.subscribe(line.threshold, 10)
    odd = {"large": 2**70, "surrogate": "\ud800", "object": object, "nothing": None}
    await bus.publish([line.event(headers=odd), line.event(headers=HEADERS | {"nested": [1, {"a": None}]})])
    first, second = await receive(subscription, 2)
    assert (first.message.headers["large"], first.message.headers["surrogate"]) == (str(2**70), "\\ud800")
    assert second.message.headers == HEADERS | {"nested": [1, {"a": None}]}
