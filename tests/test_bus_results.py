"""What every bus keeps: results go to those who listen, and are kept for nobody."""

import asyncio

from cart_platform.bus import Bus, Outcome, Subscription
from support.buses import (
    PATIENCE,
    Line,
    bodies,
    receive,
)

pytest_plugins = ["support.bus_fixtures"]


async def test_listen(line: Line, bus: Bus) -> None:
    """Results come to those who listen to their key, and by `copy_to` to the one who waits for this very message."""
    every, mine, other = [await bus.listen(line.key(key)) for key in ("threshold.done", "reply.me", "reply.other")]
    outcomes = await bus.publish(
        [
            line.result("threshold.done", copy_to="reply.me", body=b"1", headers={"text": "x"}),
            line.result("threshold.done", copy_to="reply.nobody", body=b"2"),
            line.result("popularity.done", copy_to="reply.me", body=b"3"),
            line.result("reply.other", body=b"last"),
        ]
    )
    assert [Outcome.CONFIRMED] * 4 == list(outcomes)
    first, second = await receive(every, 2)
    assert (b"1", b"2", "x") == (first.message.body, second.message.body, first.message.headers["text"])
    assert line.key("threshold.done") == first.routing_key
    assert [b"1", b"3"] == bodies(await receive(mine, 2))
    assert [b"last"] == bodies(await receive(other, 1))


async def test_two_listeners(line: Line, bus: Bus) -> None:
    """Everybody who listens to a key gets a copy, on this bus and on another."""
    other = line.bus()
    await other.start()
    listeners = [
        await bus.listen(line.key("done")),
        await bus.listen(line.key("done")),
        await other.listen(line.key("done")),
    ]
    await bus.publish([line.result("done", body=b"%d" % number) for number in range(3)])
    for listener in listeners:
        assert [b"0", b"1", b"2"] == bodies(await receive(listener, 3))
    await other.close()


async def test_one_copy(line: Line, bus: Bus) -> None:
    """A message whose key and `copy_to` both lead to the same listener comes once."""
    listener = await bus.listen(line.key("done"))
    await bus.publish([line.result("done", copy_to="done", body=b"1"), line.result("done", body=b"2")])
    assert [b"1", b"2"] == bodies(await receive(listener, 2))


async def test_nobody_listens(line: Line, bus: Bus) -> None:
    """Nothing is kept for those who come later, or who have gone."""
    gone = await bus.listen(line.key("done"))
    await gone.close()
    async with asyncio.timeout(PATIENCE):
        assert [] == list(await gone.receive(10))
    assert [Outcome.CONFIRMED] == await bus.publish([line.result("done", body=b"early")])
    listener = await bus.listen(line.key("done"))
    await bus.publish([line.result("done", body=b"in time")])
    [delivery] = await receive(listener, 1)
    assert b"in time" == delivery.message.body
    await listener.ack([delivery])


async def test_stopped_listener(line: Line, bus: Bus) -> None:
    """`stop` ends a waiting `receive` of a listener."""
    listener = await bus.listen(line.key("done"))
    waiting = asyncio.create_task(listener.receive(10))
    await bus.ping()
    await listener.stop()
    async with asyncio.timeout(PATIENCE):
        assert [] == list(await waiting)


async def test_copy_of_an_event(line: Line, bus: Bus, threshold: Subscription) -> None:
    """`copy_to` on the events exchange leads to one more queue, and to no queue twice."""
    event = line.event("changed", body=b"copied")
    copied = type(event)(event.exchange, event.routing_key, event.message, copy_to=line.key("added"))
    await bus.publish([copied])
    await receive(threshold, 1)
    popularity = await bus.subscribe(line.popularity, 10)
    assert [b"copied"] == bodies(await receive(popularity, 1))
    assert {line.threshold: 1, line.popularity: 1} == dict(await bus.backlog())
