"""The worker: takes what has arrived on a handler's queue as one batch, and acks it after its effects are committed.

The way of a batch: decode -> claim (only what acts outside) -> handle -> commit effects, follow-up events and results,
once for each event, in one atomic step -> publish the results -> ack. What fails alone is retried or given up alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from typing import TypeVar

from cart_handlers.attempt import UNREADABLE, Attempt, Verdict
from cart_handlers.reporting import Reporter
from cart_handlers.settling import Settler
from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry
from cart_platform.bus import EVENTS_EXCHANGE, Bus, Delivery, Subscription
from cart_platform.errors import Unavailable
from cart_platform.events import new_id
from cart_platform.handler import Handler, Result, UnitOfWork
from cart_platform.lifetime import Stop, patiently
from cart_platform.store import Store

Value = TypeVar("Value")


class Worker:
    """Runs one handler on the deliveries of its queue, in as many slots as the handler has.

    `retry_delays` are the seconds before each further attempt, `batch` the deliveries that one slot takes at a time at
    most (a handler that acts outside takes them one by one), `claim_lease` is in seconds.
    """

    def __init__(
        self,
        handler: Handler,
        store: Store,
        bus: Bus,
        *,
        telemetry: Telemetry,
        messaging: Messaging,
        retry_delays: Sequence[float],
        prefetch: int,
        batch: int,
        claim_lease: float,
    ) -> None:
        self.handler = handler
        self._store = store
        self._bus = bus
        self._telemetry = telemetry
        self._metrics = telemetry.metrics
        self._messaging = messaging
        self._delays = sorted(retry_delays)
        self._prefetch = prefetch
        self._limit = 1 if handler.acts_outside else batch
        self._claim_lease = claim_lease
        self._turn = asyncio.Lock()
        self._stop = Stop()
        self._show_outcomes()

    def _show_outcomes(self) -> None:
        """Every outcome is in the metrics from the start: a rate does not see the first failure of a series."""
        for event_type, verdict in product(self.handler.reacts_to, Verdict):
            self._metrics.event_handled(self.handler.name, event_type, verdict, 0)
        self._metrics.event_handled(self.handler.name, UNREADABLE, Verdict.DEAD_LETTERED, 0)

    async def run(self, stop: Stop, drain: float) -> None:
        """Work until stopped, then finish what is under way within `drain` seconds and give back the rest."""
        self._stop = stop
        try:
            subscription = await self._patiently(lambda: self._bus.subscribe(self.handler.queue, self._prefetch))
        except Unavailable:
            return
        self._metrics.slots(self.handler.name, self.handler.slots)
        slots = [asyncio.create_task(self._slot(subscription)) for _ in range(self.handler.slots)]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopped, *slots], return_when=asyncio.FIRST_COMPLETED)
            await subscription.stop()
            await asyncio.wait(slots, timeout=drain)
        finally:
            await self._end([stopped, *slots])
            self._metrics.slots(self.handler.name, 0)
            await subscription.close()
        for slot in slots:
            if not slot.cancelled():
                slot.result()

    async def _end(self, tasks: Sequence["asyncio.Task[object]"]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _slot(self, subscription: Subscription) -> None:
        while deliveries := await self._receive(subscription):
            try:
                await self._work(subscription, deliveries)
            except Unavailable:
                # Asked to stop while the store is away: what was not committed is given back and delivered again.
                return

    async def _receive(self, subscription: Subscription) -> Sequence[Delivery]:
        async with self._turn:
            return await subscription.receive(self._limit)

    async def _patiently(self, call: Callable[[], Awaitable[Value]]) -> Value:
        return await patiently(call, self._stop)

    async def _work(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        started = time.perf_counter()
        self._metrics.in_flight(self.handler.name, len(deliveries))
        try:
            with self._messaging.receiving(self.handler.queue, [delivery.message.headers for delivery in deliveries]):
                attempts = [self._open(delivery) for delivery in deliveries]
            await self._claim(attempts)
            await self._handle(attempts)
            await self._commit(attempts)
            await Reporter(self.handler, self._store, self._bus, self._messaging, self._stop).report(attempts)
            await Settler(self.handler, subscription, self._telemetry).settle(attempts)
            self._close(attempts, time.perf_counter() - started)
        finally:
            self._metrics.in_flight(self.handler.name, -len(deliveries))

    def _open(self, delivery: Delivery) -> Attempt:
        processing = self._messaging.processing(
            self.handler.name,
            self.handler.queue,
            delivery.routing_key,
            delivery.message.headers,
            delivery.message.message_id or "",
            delivery.attempt,
            exchange=EVENTS_EXCHANGE,
        )
        attempt = Attempt(delivery, processing)
        attempt.read(self.handler)
        return attempt

    async def _claim(self, attempts: Sequence[Attempt]) -> None:
        """Sort out what was done before, and what another worker has claimed, before anything happens outside.

        Handlers whose effects lie in the store need no such look: the commit itself takes each effect once.
        """
        asked = undecided(attempts)
        if not asked or not self.handler.acts_outside:
            return
        events = [attempt.event for attempt in asked if attempt.event]
        claimant = new_id()
        standings = await self._patiently(
            lambda: self._store.begin(self.handler.name, events, claimant, self._claim_lease)
        )
        for attempt, standing in zip(asked, standings, strict=True):
            attempt.claimant = claimant
            if standing.result is not None:
                attempt.repeat(standing.result)
            elif standing.claimed_for > 0:
                attempt.defer(standing.claimed_for)

    async def _handle(self, attempts: Sequence[Attempt]) -> None:
        for attempt in undecided(attempts):
            started = time.perf_counter()
            await self._handle_one(attempt)
            attempt.seconds = time.perf_counter() - started

    async def _handle_one(self, attempt: Attempt) -> None:
        assert attempt.event is not None
        unit = UnitOfWork(attempt.event, self.handler.name, self._store.read, attempt.processing.headers)
        try:
            with attempt.processing.active():
                unit.finish(await self.handler.handle(attempt.event, unit))
            attempt.unit = unit
        except Exception as error:  # noqa: BLE001  whatever a handler raises is its event's failure, not the worker's
            await self._failed(attempt, error)

    async def _failed(self, attempt: Attempt, error: Exception) -> None:
        """Retry or give up, unless the event was done before: then it needs no further attempt."""
        assert attempt.event is not None
        event, claimant = attempt.event, attempt.claimant
        if claimant:
            # The next attempt is not to be kept waiting by this one's lease.
            await self._patiently(lambda: self._store.release(self.handler.name, [event], claimant))
        [standing] = await self._patiently(lambda: self._store.begin(self.handler.name, [event]))
        if standing.result is not None:
            attempt.repeat(standing.result)
        else:
            attempt.fail(error, self._delays)

    async def _commit(self, attempts: Sequence[Attempt]) -> None:
        finished = undecided(attempts)
        if not finished:
            return
        started = time.time_ns()
        try:
            results = await self._commit_units(finished)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  a unit that cannot be committed must not take the others with it
            await self._commit_alone(finished, error)
            return
        ended = time.time_ns()
        processings = [attempt.processing for attempt in finished]
        for attempt, result in zip(finished, results, strict=True):
            self._stands(attempt, result)
            attempt.processing.committed(started, ended, len(finished), processings)

    async def _commit_units(self, attempts: Sequence[Attempt]) -> Sequence[Result]:
        units = [attempt.unit for attempt in attempts if attempt.unit]
        return await self._patiently(lambda: self._store.commit(self.handler.name, units))

    async def _commit_alone(self, attempts: Sequence[Attempt], error: Exception) -> None:
        if len(attempts) == 1:
            await self._failed(attempts[0], error)
            return
        for attempt in attempts:
            await self._commit([attempt])

    def _stands(self, attempt: Attempt, result: Result) -> None:
        assert attempt.unit is not None
        if result is attempt.unit.result:
            attempt.done(result)
        else:
            attempt.repeat(result)

    def _close(self, attempts: Sequence[Attempt], seconds: float) -> None:
        """End the spans and count.

        T_process of an event is the time that it alone took and an equal share of what the batch did together, so that
        the times of all events add up to the time that the slot was busy: rho = lambda * E[T_process] / c holds.
        """
        shared = max(0.0, seconds - sum(attempt.seconds for attempt in attempts)) / len(attempts)
        for attempt in attempts:
            assert attempt.verdict is not None
            attempt.processing.end(attempt.verdict.value, attempt.event_type, attempt.seconds + shared, attempt.age)


def undecided(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts whose events can still be done."""
    return [attempt for attempt in attempts if attempt.verdict is None]
