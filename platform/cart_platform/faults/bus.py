"""A bus that can deliver twice, stop delivering, and carry poison."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from cart_platform.bus import DEFAULT_EXCHANGE, EVENTS_EXCHANGE, Bus, Outcome, Publication
from cart_platform.events import Message
from cart_platform.faults.catalogue import DOUBLED_DELIVERIES, POISON_MESSAGE, SLOW_HANDLER, STOPPED_HANDLER
from cart_platform.faults.subscription import DisturbableSubscription
from cart_platform.faults.switches import Switches
from cart_platform.handler import Handler

POISON = b"\xff poison: no event, put here by a fault"


class DisturbableBus:
    """A bus; all that is not said here is the inner one's."""

    def __init__(self, bus: Bus, handlers: Sequence[Handler], switches: Switches) -> None:
        self._bus = bus
        self._handlers = {handler.queue: handler.name for handler in handlers}
        self._switches = switches
        self._doubled = switches.switch(DOUBLED_DELIVERIES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def close(self) -> None:
        """Faults end with the process."""
        await self._switches.close()
        await self._bus.close()

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """Publish, events twice while deliveries are doubled; the outcome is that of the first of two."""
        if not self._doubled.on:
            return await self._bus.publish(publications)
        copies = [2 if publication.exchange == EVENTS_EXCHANGE else 1 for publication in publications]
        outcomes = await self._bus.publish(
            [publication for publication, count in zip(publications, copies, strict=True) for _ in range(count)]
        )
        return [outcomes[sum(copies[:index])] for index in range(len(copies))]

    async def subscribe(self, queue: str, prefetch: int) -> DisturbableSubscription:
        """Take deliveries of a handler's queue: from now on this process is disturbed as that handler."""
        handler = self._handlers[queue]
        switches = self._switches
        switches.once(POISON_MESSAGE, handler, lambda: self._poison(queue))
        await switches.awaken(handler)
        subscription = DisturbableSubscription(
            lambda: self._bus.subscribe(queue, prefetch),
            stopped=switches.switch(STOPPED_HANDLER, handler),
            slow=switches.switch(SLOW_HANDLER, handler),
        )
        await subscription.open()
        return subscription

    async def _poison(self, queue: str) -> None:
        message = Message(POISON, {}, "text/plain", f"poison-{uuid4()}")
        await self._bus.publish([Publication(DEFAULT_EXCHANGE, queue, message)])
