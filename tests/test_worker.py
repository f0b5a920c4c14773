"""The worker, on the embedded store and bus, with handlers made for the occasion."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart_handlers.worker import Worker
from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry, silent
from cart_platform.bus import EVENTS_EXCHANGE, Outcome, Publication, Subscription, Topology
from cart_platform.bus.sql import SqlBus
from cart_platform.errors import Unavailable
from cart_platform.events import MAXIMUM_BYTES, Event, Message, encode, now
from cart_platform.handler import Handle, Handler, Reject, Result, UnitOfWork
from cart_platform.lifetime import Stop
from cart_platform.store import Store
from cart_platform.store.sql import SqlStore
from support.polling import eventually

TYPE = "cart.item_added"
DELAYS = (0.05, 0.1)


def event(number: int, **data: Any) -> Event:
    """The event with this number, of a cart of its own."""
    return Event(f"e-{number}", "/test", TYPE, now(), data, subject=f"cart-{number}")


async def add_one(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
    """A handler that counts the events in a projection."""
    unit.add("count", "all", 1)
    return {"counted": received.id}


@dataclass
class Chain:
    """A store, a bus and a handler; `registry` has what the worker counts."""

    store: SqlStore
    bus: SqlBus
    handler: Handler
    telemetry: Telemetry = field(default_factory=silent)

    async def publish(self, *messages: Message | Event) -> None:
        """Publish to the handler's queue."""
        publications = [
            Publication(EVENTS_EXCHANGE, TYPE, encode(message) if isinstance(message, Event) else message)
            for message in messages
        ]
        assert {Outcome.CONFIRMED} == set(await self.bus.publish(publications))

    @asynccontextmanager
    async def working(self, *, store: Store | None = None, drain: float = 5.0, **options: Any) -> AsyncIterator[Stop]:
        """A worker that runs as long as the block, or until the stop that the block sets."""
        worker = self.worker(store or self.store, **options)
        stop = Stop()
        running = asyncio.create_task(worker.run(stop, drain))
        try:
            yield stop
        finally:
            stop.set()
            await running

    def worker(self, store: Store, **options: Any) -> Worker:
        """A worker for the handler."""
        values: dict[str, Any] = {"prefetch": 100, "batch": 50, "claim_lease": 5.0, "retry_delays": DELAYS, **options}
        return Worker(
            self.handler, store, self.bus, telemetry=self.telemetry, messaging=Messaging(self.telemetry), **values
        )

    def handled(self, outcome: str, event_type: str = TYPE) -> float:
        """How many events the worker counted with this outcome."""
        labels = {"handler": "counter", "event_type": event_type, "outcome": outcome}
        return self.telemetry.registry.get_sample_value("cartscope_events_handled_total", labels) or 0

    async def count(self) -> int:
        """What the projection of `add_one` says."""
        return await self.store.read("count", "all")

    async def nothing_left(self) -> bool:
        """Whether nothing waits on the queue."""
        return not any((await self.bus.backlog()).values())


@asynccontextmanager
async def chain_of(folder: Path, handle: Handle, **properties: Any) -> AsyncIterator[Chain]:
    """A chain whose one handler is `handle`."""
    handler = Handler("counter", frozenset({TYPE}), handle, **properties)
    store = SqlStore(f"sqlite:///{folder}/store.db")
    bus = SqlBus(f"sqlite:///{folder}/bus.db", Topology.of([handler], DELAYS), telemetry=silent())
    await store.start()
    await bus.start()
    yield Chain(store, bus, handler)
    await bus.close()
    await store.close()


async def test_effects_results_and_acks(tmp_path: Path) -> None:
    """Each event has its effect once, its result on the results exchange and in the store, and leaves the queue."""
    async with chain_of(tmp_path, add_one) as chain:
        results = await chain.bus.listen("counter.done")
        await chain.publish(*(event(n) for n in range(10)))
        async with chain.working():
            reported = await _receive(results, 10)
            await eventually(chain.nothing_left)
        assert {f"e-{n}" for n in range(10)} == {result.event_id for result in reported}
        assert await chain.count() == 10
        assert chain.handled("done") == 10
        await results.close()


async def test_the_first_failure_is_an_increase(tmp_path: Path) -> None:
    """Every outcome of every event type that the handler reacts to is shown at 0 before the first delivery."""
    async with chain_of(tmp_path, add_one) as chain:
        chain.worker(chain.store)
        shown = [
            (sample.labels["event_type"], sample.labels["outcome"], sample.value)
            for family in chain.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == "cartscope_events_handled_total"
        ]
    expected = [(TYPE, outcome, 0) for outcome in ("dead_lettered", "done", "duplicate", "retried")]
    assert [*expected, ("unreadable", "dead_lettered", 0)] == sorted(shown)


async def test_redelivery(tmp_path: Path) -> None:
    """An event delivered twice changes the total once, and its stored result is reported again."""
    async with chain_of(tmp_path, add_one) as chain:
        results = await chain.bus.listen("counter.done")
        await chain.publish(event(1), event(1))
        async with chain.working():
            first, second = await _receive(results, 2)
            await chain.publish(event(1))
            (third,) = await _receive(results, 1)
            await eventually(lambda: chain.handled("duplicate") == 2)
        assert await chain.count() == 1
        assert first == second == third
        await results.close()


async def test_one_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    """In a batch with a failing event the others are done, and it alone is retried."""

    async def handle(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
        if received.id == "e-3" and not failed:
            failed.append(received.id)
            raise RuntimeError("at first")
        return await add_one(received, unit)

    failed = list[str]()
    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(*(event(n) for n in range(6)))
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 6)
        assert (await chain.count(), chain.handled("retried"), failed) == (6, 1, ["e-3"])


async def test_a_unit_that_cannot_be_committed_fails_alone(tmp_path: Path) -> None:
    """An effect that the store cannot take is its own event's failure; the rest of its batch is committed."""

    async def handle(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
        if received.id == "e-2":
            unit.emit("cart.threshold_reached", object())
        return await add_one(received, unit)

    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(*(event(n) for n in range(5)))
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 4 and chain.handled("dead_lettered") == 1)
        assert await chain.count() == 4


async def test_retries_end_in_the_dead_letters(tmp_path: Path) -> None:
    """After one attempt and a retry for each delay the event is given up, with reason, history and traceback."""

    async def handle(_received: Event, _unit: UnitOfWork) -> None:
        raise RuntimeError("no luck")

    async with chain_of(tmp_path, handle) as chain:
        results = await chain.bus.listen("counter.dead_lettered")
        await chain.publish(event(1))
        async with chain.working():
            (result,) = await _receive(results, 1)
            await eventually(lambda: _dead(chain))
        (letter,) = await chain.bus.dead_letters(chain.handler.queue)
        assert ("attempts_exhausted", 3, "e-1") == (letter.reason, letter.attempts, letter.event_id)
        assert [1, 2, 3] == [failure.attempt for failure in letter.failures]
        assert all("no luck" in failure.error and "Traceback" in failure.traceback for failure in letter.failures)
        assert result.data["reason"] == "attempts_exhausted"
        assert (chain.handled("retried"), chain.handled("dead_lettered")) == (2, 1)
        await results.close()


async def test_a_duplicate_that_fails_is_still_done(tmp_path: Path) -> None:
    """An event that was done and is delivered again is no failure, even if its handler would fail by this time."""
    faults = list[str]()

    async def handle(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
        if faults:
            raise RuntimeError("broken since")
        return await add_one(received, unit)

    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(event(1))
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 1)
            faults.append("broken")
            await chain.publish(event(1))
            await eventually(lambda: chain.handled("duplicate") == 1)
        assert (await chain.count(), chain.handled("retried")) == (1, 0)


async def test_a_rejected_event_is_given_up_at_once(tmp_path: Path) -> None:
    """An event that its handler rejects becomes a dead letter after one attempt, with the handler's reason."""

    async def handle(_received: Event, _unit: UnitOfWork) -> None:
        raise Reject("never_right", "not today, not tomorrow")

    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(event(1))
        async with chain.working():
            await eventually(lambda: _dead(chain))
        (letter,) = await chain.bus.dead_letters(chain.handler.queue)
        assert ("never_right", 1) == (letter.reason, letter.attempts)


async def test_a_replayed_dead_letter_can_be_done(tmp_path: Path) -> None:
    """What was given up and is replayed after the fault is mended is done, and its result stands."""
    faults = ["broken"]

    async def handle(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
        if faults:
            raise Reject("broken")
        return await add_one(received, unit)

    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(event(1))
        async with chain.working():
            await eventually(lambda: _dead(chain))
            faults.clear()
            assert await chain.bus.replay(chain.handler.queue) == 1
            await eventually(lambda: chain.handled("done") == 1)
        assert await chain.count() == 1


HEADERS = {
    "cloudEvents_specversion": "1.0",
    "cloudEvents_id": "x",
    "cloudEvents_source": "/x",
    "cloudEvents_type": TYPE,
}
MALFORMED = {
    "not_json": Message(b"\xff{", HEADERS, "application/json", "m"),
    "missing_attribute": Message(b"{}", {}, None, None),
    "wrong_type": Message(b"{}", {**HEADERS, "cloudEvents_time": 5}, "application/json", "m"),
    "unsupported_specversion": Message(b"{}", {**HEADERS, "cloudEvents_specversion": "9"}, "application/json", "m"),
    "too_large": Message(b"1" * (MAXIMUM_BYTES + 1), HEADERS, "application/json", "m"),
    "not_reacted_to": Message(b"{}", {**HEADERS, "cloudEvents_type": "some.other"}, "application/json", "m"),
}


@pytest.mark.parametrize("reason", MALFORMED)
async def test_malformed_messages_end_in_the_dead_letters(tmp_path: Path, reason: str) -> None:
    """A message that is no event is kept with its reason and original bytes, and the worker goes on."""
    async with chain_of(tmp_path, add_one) as chain:
        await chain.publish(MALFORMED[reason], event(1))
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 1)
            await eventually(lambda: _dead(chain))
        (letter,) = await chain.bus.dead_letters(chain.handler.queue)
        assert (reason, MALFORMED[reason].body) == (letter.reason, letter.body)


async def test_follow_up_events_are_children_of_the_handling(tmp_path: Path) -> None:
    """A follow-up event carries the trace of the event that it follows from."""

    async def handle(_received: Event, unit: UnitOfWork) -> None:
        unit.emit("cart.threshold_reached", {})

    trace_id = "0af7651916cd43dd8448eb211c80319c"
    parent = msgspec.structs.replace(event(1), traceparent=f"00-{trace_id}-b7ad6b7169203331-01")
    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(parent)
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 1)
        (pending,) = await chain.store.pending(range(chain.store.shards), 10)
        assert pending.event.traceparent is not None
        assert trace_id in pending.event.traceparent
        assert pending.event.traceparent != parent.traceparent


async def test_two_workers_do_not_act_outside_at_once(tmp_path: Path) -> None:
    """While one worker acts on an event, another that gets it too leaves it alone until the first is done."""
    acting, release, acted = asyncio.Event(), asyncio.Event(), list[str]()

    async def handle(received: Event, _unit: UnitOfWork) -> None:
        acted.append(received.id)
        acting.set()
        await release.wait()

    async with chain_of(tmp_path, handle, acts_outside=True, slots=2) as chain:
        await chain.publish(event(1))
        async with chain.working(), chain.working():
            await acting.wait()
            await chain.publish(event(1))
            await eventually(lambda: chain.handled("retried") >= 1)
            release.set()
            await eventually(lambda: chain.handled("duplicate") == 1)
        assert acted == ["e-1"]


async def test_slots_bound_what_is_under_way(tmp_path: Path) -> None:
    """A handler that waits for something outside has as many events under way as it has slots, and no more."""
    busy, peak, release = 0, 0, asyncio.Event()

    async def handle(_received: Event, _unit: UnitOfWork) -> None:
        nonlocal busy, peak
        busy += 1
        peak = max(peak, busy)
        await release.wait()
        busy -= 1

    async with chain_of(tmp_path, handle, acts_outside=True, slots=3) as chain:
        await chain.publish(*(event(n) for n in range(9)))
        async with chain.working():
            await eventually(lambda: busy == 3)
            release.set()
            await eventually(lambda: chain.handled("done") == 9)
    assert peak == 3


async def test_stopping_finishes_what_is_under_way(tmp_path: Path) -> None:
    """A worker that is asked to stop finishes the event that it has begun."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def handle(received: Event, unit: UnitOfWork) -> Mapping[str, Any]:
        begun.set()
        await release.wait()
        return await add_one(received, unit)

    async with chain_of(tmp_path, handle) as chain:
        await chain.publish(event(1))
        async with chain.working() as stop:
            await begun.wait()
            stop.set()
            release.set()
        assert (await chain.count(), await chain.nothing_left()) == (1, True)


async def test_stopping_gives_back_what_it_cannot_finish(tmp_path: Path) -> None:
    """What is not finished within the drain deadline is given back, and done by the next worker."""
    begun = asyncio.Event()

    async def stuck(_received: Event, _unit: UnitOfWork) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with chain_of(tmp_path, stuck) as chain:
        await chain.publish(event(1))
        async with chain.working(drain=0.05) as stop:
            await begun.wait()
            stop.set()
        chain.handler = Handler("counter", frozenset({TYPE}), add_one)
        async with chain.working():
            await eventually(lambda: chain.handled("done") == 1)
        assert await chain.count() == 1


class Away:
    """A store that does not answer commits as long as `away` is set; everything else is the store's behind it."""

    def __init__(self, store: SqlStore) -> None:
        self.away = True
        self.asked = 0
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, handler: str, units: Sequence[UnitOfWork]) -> Sequence[Result]:
        """Commit, unless away."""
        self.asked += 1
        if self.away:
            raise Unavailable("the store is away")
        return await self._store.commit(handler, units)


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """While the store does not answer nothing is acked or counted as a failure; afterwards everything is done."""
    async with chain_of(tmp_path, add_one) as chain:
        store: Any = Away(chain.store)
        await chain.publish(event(1), event(2))
        async with chain.working(store=store):
            await eventually(lambda: store.asked > 2)
            store.away = False
            await eventually(lambda: chain.handled("done") == 2)
        assert (await chain.count(), chain.handled("retried")) == (2, 0)


async def _receive(subscription: Subscription, count: int) -> list[Result]:
    results = list[Result]()
    async with asyncio.timeout(20):
        while len(results) < count:
            deliveries = await subscription.receive(count - len(results))
            results += [msgspec.json.decode(delivery.message.body, type=Result) for delivery in deliveries]
    return results


async def _dead(chain: Chain) -> bool:
    return (
        bool(await chain.bus.dead_letters(chain.handler.queue))
        and chain.handled("dead_lettered")
        + sum(chain.handled("dead_lettered", kind) for kind in ("unreadable", "some.other"))
        > 0
    )
