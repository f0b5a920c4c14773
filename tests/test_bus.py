"""What every bus keeps: publishing, receiving and settling; one suite, run against each."""

import asyncio
import sys
from pathlib import Path

from cart_platform.bus import DEFAULT_EXCHANGE, Bus, Outcome, Publication, Subscription
from cart_platform.events import Message
from support.buses import (
    HEADERS,
    LONG,
    PATIENCE,
    SHORT,
    Line,
    assert_carries,
    backlog_is,
    bodies,
    receive,
)

pytest_plugins = ["support.bus_fixtures"]


async def test_roundtrip(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A message arrives with its body, headers, content type, id and routing key as they were."""
    publication = line.event(body=b'{"a": 1}', headers=HEADERS, content_type="application/json", message_id="m-1")
    assert [Outcome.CONFIRMED] == await bus.publish([publication])
    [delivery] = await receive(threshold, 1)
    assert_carries(delivery.message, publication.message)
    assert (line.threshold, line.key("changed"), 1, ()) == (
        delivery.queue,
        delivery.routing_key,
        delivery.attempt,
        delivery.failures,
    )
    assert not delivery.redelivered


async def test_bare_message(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A message of an empty body and nothing else arrives as that."""
    await bus.publish([line.event(body=b"", message_id=None)])
    [delivery] = await receive(threshold, 1)
    assert_carries(delivery.message, Message(b""))


async def test_order(line: Line, bus: Bus, threshold: Subscription) -> None:
    """One consumer receives in the order of publishing."""
    names = [b"%d" % number for number in range(200)]
    await bus.publish([line.event(body=name) for name in names[:150]])
    await bus.publish([line.event(body=name) for name in names[150:]])
    first = await receive(threshold, 100)
    await threshold.ack(first)
    assert names == bodies(first) + bodies(await receive(threshold, 100))


async def test_outcomes(line: Line, bus: Bus) -> None:
    """Each message of a batch has its own outcome, in order."""
    batch = [
        line.event("changed"),
        line.event("lost"),
        line.event("lost", mandatory=False),
        line.event("added"),
    ]
    assert [Outcome.CONFIRMED, Outcome.UNROUTABLE, Outcome.CONFIRMED, Outcome.CONFIRMED] == await bus.publish(batch)
    assert [] == await bus.publish([])


async def test_concurrent_publishers(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Batches published at the same time all arrive, each message once."""
    batches = [[line.event(body=b"%d-%d" % (batch, number)) for number in range(5)] for batch in range(20)]
    outcomes = await asyncio.gather(*[bus.publish(batch) for batch in batches])
    assert [[Outcome.CONFIRMED] * 5] * 20 == [list(outcome) for outcome in outcomes]
    expected = sorted(publication.message.body for batch in batches for publication in batch)
    assert expected == sorted(bodies(await receive(threshold, 100)))


async def test_two_queues(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A message whose key leads to two queues arrives on both, and settling one leaves the other."""
    popularity = await bus.subscribe(line.popularity, 10)
    await bus.publish([line.event("added", body=b"for both")])
    [first], [second] = await receive(threshold, 1), await receive(popularity, 1)
    await threshold.ack([first])
    await backlog_is(bus, line.threshold, 0)
    await backlog_is(bus, line.popularity, 1)
    assert (b"for both", b"for both") == (first.message.body, second.message.body)


async def test_shared_queue(line: Line, bus: Bus) -> None:
    """Two subscriptions share a queue, and no message goes to both."""
    subscriptions = [await bus.subscribe(line.threshold, 10) for _ in range(2)]
    names = {b"%d" % number for number in range(60)}
    seen: list[bytes] = []

    async def consume(subscription: Subscription) -> None:
        while deliveries := await subscription.receive(10):
            await subscription.ack(deliveries)
            seen.extend(bodies(deliveries))

    tasks = [asyncio.create_task(consume(subscription)) for subscription in subscriptions]
    await bus.publish([line.event(body=name) for name in names])
    await backlog_is(bus, line.threshold, 0)
    for subscription in subscriptions:
        await subscription.stop()
    await asyncio.gather(*tasks)
    assert sorted(names) == sorted(seen)


async def test_prefetch(line: Line, bus: Bus) -> None:
    """No more than `prefetch` deliveries are out at a time; a settled one makes room."""
    subscription = await bus.subscribe(line.threshold, 3)
    await bus.publish([line.event() for _ in range(5)])
    held = await receive(subscription, 3)
    waiting = asyncio.create_task(subscription.receive(10))
    await bus.ping()
    await backlog_is(bus, line.threshold, 5)
    assert not waiting.done()
    await subscription.ack(held[:1])
    async with asyncio.timeout(PATIENCE):
        assert 1 == len(await waiting)


async def test_receive_limit(line: Line, bus: Bus, threshold: Subscription) -> None:
    """`receive` gives no more than it was asked for; the rest comes with the next call."""
    await bus.publish([line.event(body=b"%d" % number) for number in range(5)])
    await backlog_is(bus, line.threshold, 5)
    first = await threshold.receive(2)
    assert len(first) <= 2
    rest = await receive(threshold, 5 - len(first))
    assert [b"0", b"1", b"2", b"3", b"4"] == bodies(first) + bodies(rest)


async def test_default_exchange(line: Line, bus: Bus, threshold: Subscription) -> None:
    """The default exchange leads to the queue that the routing key names, and to no other."""
    message = Message(b"straight", message_id="m-1")
    batch = [Publication(DEFAULT_EXCHANGE, queue, message) for queue in (line.threshold, f"{line.threshold}.none")]
    assert [Outcome.CONFIRMED, Outcome.UNROUTABLE] == await bus.publish(batch)
    assert [b"straight"] == bodies(await receive(threshold, 1))
    assert 0 == (await bus.backlog())[line.popularity]


async def test_receive_waits(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A waiting `receive` returns when something is published."""
    waiting = asyncio.create_task(threshold.receive(10))
    await bus.ping()
    assert not waiting.done()
    await bus.publish([line.event(body=b"late")])
    async with asyncio.timeout(PATIENCE):
        assert [b"late"] == bodies(await waiting)


async def test_cancelled_receive(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A `receive` that is cancelled loses nothing."""
    for name in (b"1", b"2", b"3"):
        waiting = asyncio.create_task(threshold.receive(10))
        await bus.publish([line.event(body=name)])
        waiting.cancel()
        done, _ = await asyncio.wait([waiting])
        received = [task.result() for task in done if not task.cancelled()]
        deliveries = received[0] if received else await receive(threshold, 1)
        assert [name] == bodies(deliveries)


async def test_unsettled(line: Line, bus: Bus, threshold: Subscription) -> None:
    """What was received and not settled comes again after close, marked as redelivered; what was settled does not."""
    await bus.publish([line.event(body=b"settled"), line.event(body=b"unsettled")])
    deliveries = await receive(threshold, 2)
    await threshold.ack(deliveries[:1])
    await threshold.close()
    [again] = await receive(await bus.subscribe(line.threshold, 10), 1)
    assert (b"unsettled", True, 1) == (again.message.body, again.redelivered, again.attempt)
    await backlog_is(bus, line.threshold, 1)


async def test_bus_closed(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Closing the bus gives back what its subscriptions hold, to another bus at once."""
    await bus.publish([line.event(body=b"held")])
    await receive(threshold, 1)
    await bus.close()
    other = line.bus()
    await other.start()
    [again] = await receive(await other.subscribe(line.threshold, 10), 1)
    assert again.redelivered
    await other.close()


async def test_kept(line: Line, bus: Bus) -> None:
    """What was confirmed is there after every bus was closed."""
    await bus.publish([line.event("added", body=b"kept", headers=HEADERS)])
    await bus.close()
    other = line.bus()
    await other.start()
    [delivery] = await receive(await other.subscribe(line.popularity, 10), 1)
    assert b"kept" == delivery.message.body
    await other.close()


async def test_stop(line: Line, bus: Bus, threshold: Subscription) -> None:
    """`stop` ends a waiting `receive` with nothing; what was received can still be settled."""
    await bus.publish([line.event()])
    deliveries = await receive(threshold, 1)
    waiting = asyncio.create_task(threshold.receive(10))
    await bus.ping()
    await threshold.stop()
    async with asyncio.timeout(PATIENCE):
        assert [] == list(await waiting)
        assert [] == list(await threshold.receive(10))
    await threshold.ack(deliveries)
    await threshold.close()
    await backlog_is(bus, line.threshold, 0)


async def test_stop_gives_up_its_share(line: Line, bus: Bus, threshold: Subscription) -> None:
    """After `stop` and `close`, what comes goes to the others."""
    await threshold.stop()
    await bus.publish([line.event(body=b"for another") for _ in range(3)])
    await threshold.close()
    assert 3 == len(await receive(await bus.subscribe(line.threshold, 10), 3))


async def test_close_ends_receive(bus: Bus, threshold: Subscription) -> None:
    """`close` ends a waiting `receive` too."""
    waiting = asyncio.create_task(threshold.receive(10))
    await bus.ping()
    await threshold.close()
    async with asyncio.timeout(PATIENCE):
        assert [] == list(await waiting)


async def test_close_twice(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Closing twice, or what never started, is harmless."""
    await threshold.close()
    await threshold.stop()
    await threshold.close()
    await bus.close()
    await bus.close()
    await line.bus().close()


async def test_settle_after_close(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Settling after close has no effect: the messages are delivered again."""
    await bus.publish([line.event(body=name) for name in (b"acked", b"retried", b"given up")])
    acked, retried, given_up = await receive(threshold, 3)
    await threshold.close()
    await threshold.ack([acked])
    await threshold.retry(retried, SHORT)
    await threshold.dead_letter(given_up, "rejected")
    again = await receive(await bus.subscribe(line.threshold, 10), 3)
    assert {b"acked", b"retried", b"given up"} == set(bodies(again))
    assert [] == list(await bus.dead_letters(line.threshold))


async def test_ack_twice(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Settling a delivery twice is harmless, to it and to the others."""
    await bus.publish([line.event(body=b"1"), line.event(body=b"2")])
    deliveries = await receive(threshold, 2)
    await threshold.ack(deliveries[:1])
    await threshold.ack(deliveries[:1])
    await threshold.ack([])
    await backlog_is(bus, line.threshold, 1)
    await threshold.ack(deliveries[::-1])
    await backlog_is(bus, line.threshold, 0)


async def test_backlog(line: Line, bus: Bus, threshold: Subscription) -> None:
    """The backlog counts what is ready, unsettled and in retry for each queue; not dead letters."""
    assert {line.threshold: 0, line.popularity: 0} == dict(await bus.backlog())
    await bus.publish([line.event("changed") for _ in range(4)] + [line.event("added")])
    await backlog_is(bus, line.threshold, 5)
    await backlog_is(bus, line.popularity, 1)
    acked, given_up, *_ = await receive(threshold, 3)
    await threshold.ack([acked])
    await threshold.dead_letter(given_up, "rejected")
    await backlog_is(bus, line.threshold, 3)
    for _ in range(3):
        [delivery] = await receive(threshold, 1)
        await threshold.retry(delivery, LONG)
        await backlog_is(bus, line.threshold, 3)


async def test_killed_process(line: Line, bus: Bus, threshold: Subscription) -> None:
    """What a process held when it was killed comes again, to another process."""
    await threshold.close()
    names = [b"%d" % number for number in range(3)]
    await bus.publish([line.event(body=name) for name in names])
    arguments = ["-m", "support.bus_consumer", line.url, line.run, "3"]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=Path(__file__).parent, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert b"holding\n" == await child.stdout.readline()
    child.kill()
    await child.wait()
    again = await receive(await bus.subscribe(line.threshold, 10), 3)
    assert sorted(names) == sorted(bodies(again))
    assert [True] * 3 == [delivery.redelivered for delivery in again]
