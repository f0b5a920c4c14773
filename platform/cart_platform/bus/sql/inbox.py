"""Where deliveries wait until somebody receives them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from cart_platform.bus import Delivery
from cart_platform.errors import CartscopeError

PAUSE_SECONDS = 0.5
"""Before the file is asked again after it could not be used."""

Fetch = Callable[[], Awaitable[Sequence[Delivery]]]


class Inbox:
    """What has arrived and was not received yet; `fetch` gives what else there is, or raises CartscopeError."""

    def __init__(self, fetch: Fetch, capacity: int | None = None) -> None:
        self.arrived: deque[Delivery] = deque(maxlen=capacity)
        self.ended = False
        self._fetch = fetch
        self._news = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        self._promising = True

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Deliver something."""
        self.arrived.extend(deliveries)
        self._news.set()

    def wake(self) -> None:
        """There may be something to fetch."""
        self._promising = True
        self._news.set()

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait until something is here; empty once ended."""
        while not self.arrived and not self.ended:
            self._news.clear()
            if self._promising and self._fetching is None:
                # A task of its own: a `receive` that is cancelled leaves it, and what it brings, to the next one.
                self._fetching = asyncio.create_task(self._fill(), name="bus fetch")
            await self._news.wait()
        if self.ended:
            return []
        return [self.arrived.popleft() for _ in range(min(limit, len(self.arrived)))]

    async def _fill(self) -> None:
        self._promising = False
        deliveries: Sequence[Delivery] = ()
        try:
            deliveries = await self._fetch()
        except CartscopeError:
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.wake)
        finally:
            self._fetching = None
        if deliveries:
            # Where something was, there may be more.
            self._promising = True
            self.put(deliveries)
        elif self._promising:
            # Woken meanwhile: what came may have come too late for this fetch.
            self._news.set()

    async def end(self) -> Sequence[Delivery]:
        """Take no more, and give what nobody received."""
        self.ended = True
        self._news.set()
        if self._fetching is not None:
            await asyncio.wait({self._fetching})
        left = list(self.arrived)
        self.arrived.clear()
        return left
