"""Where subscriptions lease and settle; each call waits until the file can be used, or the bus is closed."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from cart_platform.bus import Delivery
from cart_platform.bus.sql.queues import GivenUp, Queues, Retry
from cart_platform.bus.sql.transactions import Step, Transactions
from cart_platform.errors import CartscopeError

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0


class Wake(Protocol):
    """Told that a queue has something ready."""

    def __call__(self, queue: str) -> None:
        """Wake who receives from it."""


class Desk:
    """Leases and settles for the subscriptions of one bus.

    Args:
        file: Where the queues are.
        queues: The steps on them.
        delays: Seconds, ascending; a retry waits for one of them.
        wake: Told when a queue has something again.
        due: Told when a retry falls due.
    """

    def __init__(
        self, file: Transactions, queues: Queues, delays: Sequence[float], wake: Wake, due: Callable[[], None]
    ) -> None:
        self._file = file
        self._queues = queues
        self._delays = delays
        self._wake = wake
        self._due = due
        self._patiently = AsyncRetrying(
            retry=retry_if_exception(self._worth_trying),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
            reraise=True,
        )

    def _worth_trying(self, error: BaseException) -> bool:
        return isinstance(error, CartscopeError) and self._file.is_open

    async def lease(self, queue: str, limit: int) -> Sequence[Delivery]:
        """The oldest that are ready, from here on this bus's; raises CartscopeError while the file cannot be used."""
        return await self._file.run(self._queues.lease, (queue, limit))

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Delete them."""
        await self._settle(self._queues.ack, deliveries)

    async def retry(self, retry: Retry) -> None:
        """Make it come again after its delay, rounded up to one of the topology's."""
        place = bisect_left(self._delays, retry.delay)
        delay = self._delays[min(place, len(self._delays) - 1)] if self._delays else retry.delay
        await self._settle(self._queues.retry, Retry(retry.delivery, delay, retry.failure))
        asyncio.get_running_loop().call_later(delay, self._due)

    async def dead_letter(self, given_up: GivenUp) -> None:
        """Move it to the dead letters."""
        await self._settle(self._queues.dead_letter, given_up)

    async def _settle(self, step: Step[Any, None], item: Any) -> None:
        # An error that is left comes from a closed bus: its messages are delivered again.
        with suppress(CartscopeError):
            await self._patiently(self._file.run, step, item)

    async def give_back(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        """Let others have them; where that fails they wait until this bus has left, or its lease is over."""
        with suppress(CartscopeError):
            await self._file.run(self._queues.give_back, deliveries, lambda _: self._wake(queue))
