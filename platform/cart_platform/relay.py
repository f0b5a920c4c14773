"""The relay: takes events from the outbox to the bus, and marks as sent what the bus confirmed, nothing else.

Relays share the shards of one store by leases. Within a cart, the next event is published after the one before it was
confirmed, so that not even a lost confirm changes their order; carts do not wait for each other.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product, zip_longest

from cart_observability.logs import trace_fields
from cart_observability.messaging import Messaging, Outgoing
from cart_observability.telemetry import Telemetry
from cart_observability.tracing import extract
from cart_platform.bus import EVENTS_EXCHANGE, Bus, Outcome, Publication
from cart_platform.errors import Unavailable
from cart_platform.events import encode, new_id
from cart_platform.lifetime import Stop
from cart_platform.store import Pending, Store

IDLE_SECONDS = (0.005, 0.05)
"""How long an empty outbox is left alone, from just after an event on: each further time twice as long."""

SETBACK_SECONDS = 1.0
"""How long to wait after an event could not be published, or a server did not answer."""

TRIM_SECONDS = 60.0
QUEUE_SECONDS = 3.0
"""How often it is told how deep the queues are."""


class Relay:
    """One relay; any number of them may run on one store.

    `awaited` are the event types that some handler reacts to: those must reach a queue, others need not. `lease` is in
    seconds.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        awaited: frozenset[str],
        telemetry: Telemetry,
        messaging: Messaging,
        batch: int,
        lease: float,
    ) -> None:
        self.name = f"relay-{new_id()}"
        self._store = store
        self._bus = bus
        self._awaited = awaited
        self._metrics = telemetry.metrics
        self._log = telemetry.log
        self._messaging = messaging
        self._batch = batch
        self._lease = lease
        self._shards: Sequence[int] = ()
        self._leased_until = 0.0
        self._idle = IDLE_SECONDS[0]
        for event_type, outcome in product(awaited, Outcome):
            # Present from the start: a rate over a series that begins with its first failure does not see that failure.
            self._metrics.event_published(event_type, outcome, 0)

    async def run(self, stop: Stop) -> None:
        """Relay until stopped; servers that do not answer are waited for."""
        housekeeping = asyncio.create_task(self._housekeeping(stop))
        watch = asyncio.create_task(self._watch_queues())
        try:
            while not stop.wished:
                await stop.wait(await self._turn())
        finally:
            # A bus that does not answer may be asked at this moment: nobody waits for what it would say.
            watch.cancel()
            await asyncio.wait({watch})
            await housekeeping
            await self._release()

    async def _turn(self) -> float:
        """Relay what waits, once; gives the seconds to wait before the next turn."""
        try:
            await self._hold()
            pending = await self._store.pending(self._shards, self._batch)
            if not pending:
                self._idle = min(self._idle * 2, IDLE_SECONDS[1])
                return self._idle
            self._idle = IDLE_SECONDS[0]
            return 0 if await self._relay(pending) else SETBACK_SECONDS
        except Unavailable as error:
            self._log.warning("relay waits", **{"event.action": "relay.waiting", "error.message": str(error)})
            return SETBACK_SECONDS

    async def _hold(self) -> None:
        """Renew the leases well before they end; a relay that was stopped for longer holds nothing until it asked."""
        if time.monotonic() < self._leased_until - self._lease * 2 / 3:
            return
        asked = time.monotonic()
        shards = await self._store.hold_shards(self.name, self._lease)
        self._leased_until = asked + self._lease
        if set(shards) != set(self._shards):
            self._log.info(
                "shards changed", **{"event.action": "relay.shards_changed", "cartscope.shards": len(shards)}
            )
        self._shards = shards
        self._metrics.shards_held(len(shards))

    async def _relay(self, pending: Sequence[Pending]) -> bool:
        """Publish a batch and mark what was confirmed; whether that was all of it."""
        held_back: set[str | None] = set()
        for wave in waves(pending):
            going = [entry for entry in wave if entry.event.subject not in held_back]
            outcomes = await self._publish(going)
            confirmed = [entry for entry, outcome in zip(going, outcomes, strict=True) if outcome == Outcome.CONFIRMED]
            held_back |= {entry.event.subject for entry in going} - {entry.event.subject for entry in confirmed}
            if confirmed:
                await self._store.mark_sent(confirmed)
        return not held_back

    async def _publish(self, entries: Sequence[Pending]) -> Sequence[Outcome]:
        events = [entry.event for entry in entries]
        messages = [encode(event) for event in events]
        publishing = self._messaging.publishing_batch(
            EVENTS_EXCHANGE,
            [
                Outgoing(event.type, message.headers, event.id, event.type)
                for event, message in zip(events, messages, strict=True)
            ],
        )
        outcomes = await self._bus.publish(
            [
                Publication(EVENTS_EXCHANGE, event.type, message, mandatory=event.type in self._awaited)
                for event, message in zip(events, messages, strict=True)
            ]
        )
        publishing.done(outcomes)
        for entry, outcome in zip(entries, outcomes, strict=True):
            self._tell(entry, outcome)
        return outcomes

    def _tell(self, entry: Pending, outcome: Outcome) -> None:
        event = entry.event
        span_context = extract(event.trace_headers)
        self._metrics.event_published(event.type, outcome, span_context=span_context)
        tell = self._log.info if outcome == Outcome.CONFIRMED else self._log.error
        tell(
            "event published" if outcome == Outcome.CONFIRMED else "event not published",
            **{
                "event.action": "event.published",
                "cartscope.event.id": event.id,
                "cartscope.event.type": event.type,
                "cartscope.cart.id": event.subject,
                "cartscope.outcome": str(outcome),
                **trace_fields(span_context),
            },
        )

    async def _housekeeping(self, stop: Stop) -> None:
        """Tell how deep the outbox is, each second; the relay that holds shard 0 trims for all."""
        trimmed = time.monotonic()
        while True:
            # The turns of the relay itself tell of a store that is away.
            with contextlib.suppress(Unavailable):
                depth = await self._store.depth()
                self._metrics.outbox_depth(depth.pending, depth.oldest_age)
                if 0 in self._shards and time.monotonic() > trimmed + TRIM_SECONDS:
                    trimmed = time.monotonic()
                    await self._store.trim()
            if await stop.wait(1.0):
                return

    async def _watch_queues(self) -> None:
        """Tell how deep the queues are, until cancelled; while the bus is away what it said last stands."""
        while True:
            with contextlib.suppress(Unavailable):
                for queue, messages in (await self._bus.backlog()).items():
                    self._metrics.queue_depth(queue, messages)
            await asyncio.sleep(QUEUE_SECONDS)

    async def _release(self) -> None:
        try:
            await self._store.release_shards(self.name)
        except Unavailable:
            return  # the lease ends by itself


def waves(pending: Iterable[Pending]) -> list[list[Pending]]:
    """Divide events into waves that hold one event of a cart at most, each cart's in their order."""
    carts: dict[str | None, list[Pending]] = defaultdict(list)
    for entry in pending:
        carts[entry.event.subject].append(entry)
    return [[entry for entry in wave if entry is not None] for wave in zip_longest(*carts.values())]
