"""What every bus keeps: retries and dead letters."""

import os
import time

import pytest

from cart_platform import events
from cart_platform.bus import Bus, Outcome, Subscription
from cart_platform.events import Event
from support.buses import (
    HEADERS,
    LONG,
    SHORT,
    Line,
    assert_carries,
    backlog_is,
    bodies,
    failure,
    give_up,
    kept,
    receive,
)

HOSTILE = {
    "cartscope-attempt": "abc",
    "cartscope-failures": "not JSON",
    "cartscope-routing-key": 5,
    "cartscope-reason": 7,
    "cartscope-dead-lettered-at": b"\xff",
    "cartscope-dead-letter-id": "",
    "cartscope-replayed": "many",
    "x-death": "none",
}

pytest_plugins = ["support.bus_fixtures"]


async def test_retry(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A retried message comes again unchanged, as the next attempt, with the history of all attempts before."""
    publication = line.event(body=b"again", headers=HEADERS, content_type="application/json", message_id="m-2")
    await bus.publish([publication])
    for attempt in (1, 2, 3):
        [delivery] = await receive(threshold, 1)
        assert attempt == delivery.attempt
        assert tuple(failure(earlier) for earlier in range(1, attempt)) == delivery.failures
        assert_carries(delivery.message, publication.message)
        assert (line.threshold, line.key("changed")) == (delivery.queue, delivery.routing_key)
        await threshold.retry(delivery, SHORT, failure(attempt))
    [delivery] = await receive(threshold, 1)
    await threshold.ack([delivery])
    await backlog_is(bus, line.threshold, 0)


async def test_retry_reaches_its_own_queue(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A retry for one handler does not come to another one that had the same message."""
    await bus.publish([line.event("added")])
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, SHORT, failure(1))
    await receive(threshold, 1)
    assert 1 == (await bus.backlog())[line.popularity]


async def test_retry_without_failure(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A retry that was nobody's failure is the same attempt once more, its history kept."""
    await bus.publish([line.event()])
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, SHORT, failure(1))
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, SHORT)
    [delivery] = await receive(threshold, 1)
    assert (2, (failure(1),)) == (delivery.attempt, delivery.failures)


@pytest.mark.parametrize(("asked", "given"), [(0.0, SHORT), (SHORT, SHORT), (SHORT + 0.01, LONG), (60.0, LONG)])
async def test_retry_delay(line: Line, bus: Bus, threshold: Subscription, asked: float, given: float) -> None:
    """A delay is rounded up to one of the topology's; beyond the longest, it is the longest."""
    await bus.publish([line.event()])
    [delivery] = await receive(threshold, 1)
    started = time.monotonic()
    await threshold.retry(delivery, asked)
    await receive(threshold, 1)
    assert time.monotonic() - started >= given - 0.01


async def test_retry_does_not_block(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A message that waits for its retry holds up neither those behind it nor the prefetch."""
    narrow = await bus.subscribe(line.popularity, 1)
    await bus.publish([line.event("added", body=b"fails"), line.event("added", body=b"works")])
    [fails] = await receive(narrow, 1)
    await narrow.retry(fails, LONG, failure(1))
    [works] = await receive(narrow, 1)
    await narrow.ack([works])
    [again] = await receive(narrow, 1)
    assert (b"works", b"fails", 2) == (works.message.body, again.message.body, again.attempt)


async def test_dead_letter(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A dead letter keeps its reason, history, original bytes and headers, and has left the queue."""
    await bus.publish([line.event(body=b"\xff not JSON", headers=HEADERS, content_type="text/plain")])
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, SHORT, failure(1))
    [delivery] = await receive(threshold, 1)
    await threshold.dead_letter(delivery, "attempts_exhausted", failure(2))
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert (line.threshold, "attempts_exhausted", 2, (failure(1), failure(2))) == (
        letter.queue,
        letter.reason,
        letter.attempts,
        letter.failures,
    )
    assert (b"\xff not JSON", "text/plain", line.key("changed")) == (
        letter.body,
        letter.content_type,
        letter.routing_key,
    )
    assert HEADERS == {name: letter.headers.get(name) for name in HEADERS}
    assert (None, None) == (letter.event_id, letter.event_type)
    assert events.now().date().isoformat()[:7] == letter.time[:7]
    await backlog_is(bus, line.threshold, 0)


async def test_dead_letter_of_an_event(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A dead letter that can be read tells the event's id and type; without a failure its history is as it was."""
    message = events.encode(Event("e-1", "/test", "cart.item_added", events.now(), {"units": 1}))
    publication = line.event(
        body=message.body, headers=message.headers, content_type=message.content_type, message_id=message.message_id
    )
    await bus.publish([publication])
    [delivery] = await receive(threshold, 1)
    await threshold.dead_letter(delivery, "rejected")
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert ("e-1", "cart.item_added", 1, ()) == (letter.event_id, letter.event_type, letter.attempts, letter.failures)


async def test_listing_dead_letters(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Listing leaves dead letters where they are: oldest first, the same each time, each id once, at most `limit`."""
    letters = await give_up(bus, line, threshold, b"1", b"2", b"3")
    assert [b"1", b"2", b"3"] == [letter.body for letter in letters]
    assert 3 == len({letter.id for letter in letters})
    assert list(letters) == list(await bus.dead_letters(line.threshold))
    assert list(letters[:2]) == list(await bus.dead_letters(line.threshold, 2))
    assert [] == list(await bus.dead_letters(line.popularity))


async def test_dead_letters_of_equal_ids(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Two dead letters with the same message id are told apart."""
    await bus.publish([line.event(body=name, message_id="same") for name in (b"1", b"2")])
    for delivery in await receive(threshold, 2):
        await threshold.dead_letter(delivery, "rejected")
    await kept(bus, line.threshold, 2)
    first, second = await bus.dead_letters(line.threshold)
    assert 1 == await bus.purge(line.threshold, [first.id])
    assert [second] == list(await bus.dead_letters(line.threshold))


async def test_replay_one(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A replayed dead letter comes to its own queue only, as a first attempt with no history."""
    popularity = await bus.subscribe(line.popularity, 10)
    first, second = await give_up(bus, line, threshold, b"1", b"2", key="added")
    await popularity.ack(await receive(popularity, 2))
    assert 1 == await bus.replay(line.threshold, [second.id])
    [delivery] = await receive(threshold, 1)
    assert (b"2", 1, ()) == (delivery.message.body, delivery.attempt, delivery.failures)
    assert line.key("added") == delivery.routing_key
    assert 1 == delivery.message.headers["cartscope-replayed"]
    assert [first.id] == [letter.id for letter in await bus.dead_letters(line.threshold)]
    await backlog_is(bus, line.popularity, 0)


async def test_replay_all(line: Line, bus: Bus, threshold: Subscription) -> None:
    """All dead letters of a queue are replayed, and none is left; replays are counted."""
    await give_up(bus, line, threshold, b"1", b"2", b"3")
    assert 3 == await bus.replay(line.threshold)
    assert 0 == await bus.replay(line.threshold)
    deliveries = await receive(threshold, 3)
    assert [b"1", b"2", b"3"] == bodies(deliveries)
    await threshold.dead_letter(deliveries[0], "rejected", failure(1))
    await threshold.ack(deliveries[1:])
    await kept(bus, line.threshold, 1)
    assert 1 == await bus.replay(line.threshold)
    [again] = await receive(threshold, 1)
    assert 2 == again.message.headers["cartscope-replayed"]


async def test_purge(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Purging deletes the named dead letters, or all; an id that is not there counts for nothing."""
    first, *_ = await give_up(bus, line, threshold, b"1", b"2", b"3")
    assert 0 == await bus.purge(line.threshold, ["absent"])
    assert 0 == await bus.replay(line.threshold, ["absent"])
    assert 0 == await bus.purge(line.threshold, [])
    assert 1 == await bus.purge(line.threshold, [first.id, "absent"])
    assert [b"2", b"3"] == [letter.body for letter in await bus.dead_letters(line.threshold)]
    assert 2 == await bus.purge(line.threshold)
    assert [] == list(await bus.dead_letters(line.threshold))
    await backlog_is(bus, line.threshold, 0)


async def test_hostile_headers(line: Line, bus: Bus, threshold: Subscription) -> None:
    """Headers that look like the bus's own and are not readable do no harm at any step."""
    await bus.publish([line.event(body=b"hostile", headers=dict(HOSTILE))])
    [delivery] = await receive(threshold, 1)
    assert (1, ()) == (delivery.attempt, delivery.failures)
    await threshold.retry(delivery, SHORT, failure(1))
    [delivery] = await receive(threshold, 1)
    assert (2, (failure(1),), line.key("changed")) == (delivery.attempt, delivery.failures, delivery.routing_key)
    await threshold.dead_letter(delivery, "rejected", failure(2))
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert ("rejected", b"hostile") == (letter.reason, letter.body)
    assert 1 == await bus.replay(line.threshold, [letter.id])
    [delivery] = await receive(threshold, 1)
    assert (b"hostile", 1) == (delivery.message.body, delivery.attempt)


async def test_large_message(line: Line, bus: Bus, threshold: Subscription) -> None:
    """A body of 10 MB arrives whole, also as a retry and as a dead letter."""
    body = os.urandom(10_000_000)
    assert [Outcome.CONFIRMED] == await bus.publish([line.event(body=body)])
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, SHORT, failure(1))
    [delivery] = await receive(threshold, 1)
    assert body == delivery.message.body
    await threshold.dead_letter(delivery, "too_large")
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert body == letter.body
