"""A subscription: leases of a handler's queue, at most `prefetch` of them unsettled."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from cart_platform.bus import Delivery, Failure
from cart_platform.bus.sql.desk import Desk
from cart_platform.bus.sql.inbox import Inbox
from cart_platform.bus.sql.queues import GivenUp, Retry

Settle = Callable[[Sequence[Delivery]], Awaitable[None]]


class QueueSubscription:
    """Deliveries of a handler's queue; `left` is told when it has closed."""

    def __init__(self, queue: str, prefetch: int, desk: Desk, left: Callable[["QueueSubscription"], None]) -> None:
        self.queue = queue
        self._prefetch = prefetch
        self._desk = desk
        self._left = left
        self._unsettled: dict[int, Delivery] = {}
        self._inbox = Inbox(self._lease)
        self.wake = self._inbox.wake

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait until something has arrived and give what is there, at most `limit`; empty once ended."""
        return await self._inbox.receive(limit)

    async def _lease(self) -> Sequence[Delivery]:
        room = self._prefetch - len(self._unsettled)
        if room <= 0:
            return []
        deliveries = await self._desk.lease(self.queue, room)
        self._unsettled.update((delivery.tag, delivery) for delivery in deliveries)
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Done with these; returns when they cannot come again."""
        await self._settle(deliveries, self._desk.ack)

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """Deliver it again after `delay` seconds, rounded up to a delay of the topology."""
        await self._settle([delivery], lambda _: self._desk.retry(Retry(delivery, delay, failure)))

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """Keep it among the dead letters of the queue."""
        await self._settle([delivery], lambda _: self._desk.dead_letter(GivenUp(delivery, reason, failure)))

    async def _settle(self, deliveries: Sequence[Delivery], settle: Settle) -> None:
        """Settle what is held still; room for more comes when it is done."""
        held = [delivery for delivery in deliveries if self._unsettled.get(delivery.tag) is delivery]
        if held:
            # A caller who is cancelled must not leave what is settled counted as unsettled.
            await asyncio.shield(asyncio.create_task(self._finish(held, settle), name="bus settle"))

    async def _finish(self, held: Sequence[Delivery], settle: Settle) -> None:
        await settle(held)
        for delivery in held:
            self._unsettled.pop(delivery.tag, None)
        self.wake()

    async def stop(self) -> None:
        """Take no more deliveries; what nobody received yet is given back."""
        left = await self._inbox.end()
        for delivery in left:
            self._unsettled.pop(delivery.tag, None)
        if left:
            await self._desk.give_back(self.queue, left)

    async def close(self) -> None:
        """Give back what is not settled. May be called twice."""
        await self.stop()
        self._left(self)
        unsettled, self._unsettled = list(self._unsettled.values()), {}
        if unsettled:
            await self._desk.give_back(self.queue, unsettled)
