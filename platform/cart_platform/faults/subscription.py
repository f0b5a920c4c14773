"""A subscription that leaves its queue while its handler is stopped, and comes back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from cart_platform.bus import Delivery, Failure, Subscription
from cart_platform.faults.switches import Switch
from cart_platform.lifetime import Stop, patiently

LEAVE_SECONDS = 10.0
"""How long what is in work may take before it is given back to the queue."""


class DisturbableSubscription:
    """Deliveries of a queue, none while `stopped`, and one at a time while `slow`.

    One at a time: a batch is committed whole, and so many slow events would show no progress for minutes.
    """

    def __init__(self, subscribe: Callable[[], Awaitable[Subscription]], *, stopped: Switch, slow: Switch) -> None:
        self._subscribe = subscribe
        self._stopped = stopped
        self._slow = slow
        self._inner: Subscription | None = None
        self._consuming = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._stop = Stop()
        self._held: set[Delivery] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Consume, unless the handler is stopped at this moment; raises CartscopeError as `Bus.subscribe`."""
        if not self._stopped.on:
            await self._enter()
        self._keeper = asyncio.create_task(self._keep(), name="faults of a subscription")
        # A keeper that fails must not leave anybody waiting for it.
        self._keeper.add_done_callback(lambda _: self._consuming.set())

    async def _enter(self) -> None:
        self._inner = await self._subscribe()
        self._consuming.set()

    async def _keep(self) -> None:
        while True:
            await self._stopped.until(on=True)
            await self._leave()
            await self._stopped.until(on=False)
            await patiently(self._enter, self._stop)

    async def _leave(self) -> None:
        """Take no more, let what is in work come to its end, and give back the rest."""
        self._consuming.clear()
        inner = self._inner
        if inner is not None:
            await inner.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._idle.wait()
            await inner.close()

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """As `Subscription.receive`; waits while the handler is stopped."""
        while not self._stop.wished:
            await self._consuming.wait()
            if self._keeper is not None and self._keeper.done() and not self._stop.wished:
                self._keeper.result()
            inner = self._inner
            if inner is not None and (deliveries := await inner.receive(1 if self._slow.on else limit)):
                self._held.update(deliveries)
                self._idle.clear()
                return deliveries
            if inner is self._inner and self._consuming.is_set():
                break  # it ended without having been left: so does this one
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """As `Subscription.ack`."""
        if self._inner is not None:
            await self._inner.ack(deliveries)
        self._settled(deliveries)

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """As `Subscription.retry`."""
        if self._inner is not None:
            await self._inner.retry(delivery, delay, failure)
        self._settled([delivery])

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """As `Subscription.dead_letter`."""
        if self._inner is not None:
            await self._inner.dead_letter(delivery, reason, failure)
        self._settled([delivery])

    def _settled(self, deliveries: Sequence[Delivery]) -> None:
        self._held.difference_update(deliveries)
        if not self._held:
            self._idle.set()

    async def stop(self) -> None:
        """As `Subscription.stop`."""
        self._stop.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        self._consuming.set()
        if self._inner is not None:
            await self._inner.stop()

    async def close(self) -> None:
        """As `Subscription.close`."""
        await self.stop()
        if self._inner is not None:
            await self._inner.close()
