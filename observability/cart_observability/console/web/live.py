"""What happens now, as server-sent events: worked out once a second, however many listen, and told to all alike."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "text/event-stream"
TICK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 5.0
"""Silence is broken after so long: who listens can tell a slow console from a lost one, and who left is noticed."""
GREETING: Final = b"retry: 1000\n\n"
HEARTBEAT: Final = b": still here\n\n"

_log = logging.getLogger(__name__)


class Live:
    """Ticks for any number of listeners.

    A listener that is slow hears of the newest tick when it is done with the one before: nothing is queued for it.

    Args:
        compute: Gives what a tick tells; runs on a thread, never twice at a time, and only while somebody listens.
        seconds: From one tick to the next.
        heartbeat: Seconds of silence that are broken.
    """

    def __init__(
        self,
        compute: Callable[[], Mapping[str, Any]],
        seconds: float = TICK_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._compute = compute
        self._seconds = seconds
        self._heartbeat = heartbeat
        self._newest = b""
        self._told = asyncio.Event()
        self._closed = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self.listeners = 0

    async def listen(self) -> AsyncIterator[bytes]:
        """The stream of one listener, until it leaves or the console ends."""
        self.listeners += 1
        self._start()
        heard = b""
        try:
            yield GREETING
            while not self._closed.is_set():
                if self._newest is not heard and self._newest:
                    heard = self._newest
                    yield heard
                elif not await _came(self._told, self._heartbeat):
                    yield HEARTBEAT
        finally:
            self.listeners -= 1

    async def close(self) -> None:
        """End all streams at once. May be called twice."""
        self._closed.set()
        self._told.set()
        if self._ticking is not None:
            await asyncio.wait({self._ticking})

    def _start(self) -> None:
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick(), name="console ticks")

    async def _tick(self) -> None:
        """Tell until nobody listens any more."""
        is_well = True
        while self.listeners and not self._closed.is_set():
            began = time.monotonic()
            try:
                self._tell(await asyncio.to_thread(self._event))
                is_well = True
            except Exception:  # noqa: BLE001  whatever it is, the page must hear of it by its silence, and come back
                # Told once an outage: who listens hears a heartbeat only, and sees that the page stands still.
                if is_well:
                    _log.exception("the console cannot say what happens")
                is_well = False
            took = time.monotonic() - began
            # Half of the time at most: what takes longer than it should must not take more from others too.
            await _came(self._closed, max(self._seconds - took, took))
        # Who comes later does not want to hear it.
        self._newest = b""

    def _event(self) -> bytes:
        return b"event: tick\ndata: " + msgspec.json.encode(self._compute()) + b"\n\n"

    def _tell(self, event: bytes) -> None:
        self._newest = event
        told, self._told = self._told, asyncio.Event()
        if self._closed.is_set():
            self._told.set()
        told.set()


async def _came(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came within some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
