"""Each cart's requests one after the other, several carts at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from cart_platform.shoppers.request import Request

READ_AHEAD = 4096
"""Requests at most that wait for an earlier one of their cart."""

Send = Callable[[Request, float | None], Awaitable[None]]


class Lanes:
    """Runs `send` for every request, in order within a cart, for at most `width` carts at once.

    A cart has a lane only while it has requests: memory is bounded by `width` and `READ_AHEAD`, not by the number of
    carts. An exception that `send` raises ends the task group.
    """

    def __init__(self, group: asyncio.TaskGroup, send: Send, width: int) -> None:
        self._group = group
        self._send = send
        self._free = asyncio.Semaphore(width)
        self._room = asyncio.Semaphore(READ_AHEAD)
        self._lanes: dict[str, deque[tuple[Request, float | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, request: Request, due: float | None) -> None:
        """Takes one request; waits while all lanes are in use. `due` is passed on to `send`."""
        await self._room.acquire()
        lane = self._lanes.get(request.cart)
        if lane is None:
            await self._free.acquire()
            lane = self._lanes[request.cart] = deque()
            task = self._group.create_task(self._run(request.cart, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append((request, due))

    async def _run(self, cart: str, lane: deque[tuple[Request, float | None]]) -> None:
        try:
            while lane:
                request, due = lane.popleft()
                self._room.release()
                await self._send(request, due)
        finally:
            del self._lanes[cart]
            self._free.release()

    async def finish(self) -> None:
        """Returns when every request that was taken has been sent and answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, grace: float) -> None:
        """Forgets what has not begun, gives what has `grace` seconds to end, then cancels it."""
        for lane in self._lanes.values():
            lane.clear()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
