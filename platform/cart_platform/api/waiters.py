"""Waiters: requests that wait until the handlers have reported on an event.

Every process has a reply address. The events of commands that somebody waits for carry it, and the results of such an
event are sent there too.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from cart_observability.telemetry import Telemetry
from cart_platform.bus import Bus, Delivery, Subscription
from cart_platform.errors import Unavailable
from cart_platform.events import new_id
from cart_platform.handler import Result

BATCH = 500
EARLY_RESULTS = 10_000
"""Results kept for requests whose event has no name yet; what is lost beyond that is found in the store."""

_decode = msgspec.json.Decoder(Result).decode


class Waiter:
    """One request that waits; `results` are those of the handlers that have reported, by handler."""

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}
        self.released = False
        self.event_id: str | None = None
        self._handlers: frozenset[str] = frozenset()
        self._woken = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether every handler that is waited for has reported."""
        return self.event_id is not None and self._handlers <= self.results.keys()

    def expect(self, event_id: str, handlers: Sequence[str]) -> None:
        """Wait for what these handlers report on this event."""
        self.event_id = event_id
        self._handlers = frozenset(handlers)
        self._wake()

    def take(self, results: Iterable[Result]) -> None:
        """Take results that have come."""
        self.results.update({result.handler: result for result in results if result.handler in self._handlers})
        self._wake()

    def release(self) -> None:
        """Wait no longer: nobody is there any more who would hear of it, or the process stops."""
        self.released = True
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Return when complete or released, or after some seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    def _wake(self) -> None:
        if self.complete:
            self._woken.set()


class Waiters:
    """The requests of this process that wait, `limit` at most, fed with the results that come to `address`."""

    def __init__(self, bus: Bus, telemetry: Telemetry, *, limit: int = 1_000) -> None:
        self.address = f"api.{new_id()}"
        self._bus = bus
        self._telemetry = telemetry
        self._limit = limit
        self._closed = False
        self._waiting: set[Waiter] = set()
        self._of_event: dict[str, list[Waiter]] = {}
        self._early: OrderedDict[tuple[str, str], Result] = OrderedDict()
        self._listener: asyncio.Task[None] | None = None
        telemetry.metrics.waiters(0)

    def start(self) -> None:
        """Listen on the reply address from here on, also when the bus cannot be reached before later."""
        self._listener = asyncio.get_running_loop().create_task(self._listen(), name="results")

    async def close(self) -> None:
        """Let every request go on with what it has, and take no more; may be called twice, or before `start`."""
        self._closed = True
        for waiter in self._waiting:
            waiter.release()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
            self._listener = None

    @property
    def full(self) -> bool:
        """Whether no further request may wait."""
        return self._closed or len(self._waiting) >= self._limit

    @contextmanager
    def waiting(self) -> Iterator[Waiter]:
        """A waiter for the length of the block.

        Begin it before the command is executed: a result may overtake the answer that names the event.
        """
        waiter = Waiter()
        self._waiting.add(waiter)
        self._telemetry.metrics.waiters(1)
        try:
            yield waiter
        finally:
            self._telemetry.metrics.waiters(-1)
            self._waiting.discard(waiter)
            self._forget(waiter)

    def expect(self, waiter: Waiter, event_id: str, handlers: Sequence[str]) -> None:
        """Have the waiter wait for what these handlers report on this event."""
        waiter.expect(event_id, handlers)
        self._of_event.setdefault(event_id, []).append(waiter)
        waiter.take(self._early[event_id, handler] for handler in handlers if (event_id, handler) in self._early)
        self._drop_early()

    def arrived(self, result: Result) -> None:
        """Hand a result to those who wait for it."""
        waiters = self._of_event.get(result.event_id)
        if waiters is None:
            self._keep_early(result)
            return
        for waiter in waiters:
            waiter.take([result])

    def _forget(self, waiter: Waiter) -> None:
        waiters = self._of_event.get(waiter.event_id or "", [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._of_event.pop(waiter.event_id or "", None)
        self._drop_early()

    def _keep_early(self, result: Result) -> None:
        self._early[result.event_id, result.handler] = result
        if len(self._early) > EARLY_RESULTS:
            self._early.popitem(last=False)
        self._drop_early()

    def _drop_early(self) -> None:
        if self._early and all(waiter.event_id is not None for waiter in self._waiting):
            self._early.clear()

    async def _listen(self) -> None:
        try:
            await self._receive(await self._subscribe())
        except Exception:
            # Requests go on: they find their results in the store, only later.
            self._telemetry.log.exception("results lost", **{"event.action": "results.lost"})

    async def _receive(self, subscription: Subscription) -> None:
        try:
            while deliveries := await subscription.receive(BATCH):
                for delivery in deliveries:
                    self._read(delivery)
        finally:
            await subscription.close()

    async def _subscribe(self) -> Subscription:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Unavailable), wait=wait_random_exponential(multiplier=0.1, max=5)
        ):
            with attempt:
                return await self._bus.listen(self.address)
        raise AssertionError("tenacity returns or raises")  # pragma: no cover

    def _read(self, delivery: Delivery) -> None:
        try:
            self.arrived(_decode(delivery.message.body))
        except msgspec.DecodeError as error:
            # Whoever waited for it finds it in the store at its deadline.
            self._telemetry.log.warning(
                "result unreadable", **{"event.action": "result.unreadable", "error.message": str(error)}
            )
