"""How much a console may work that shares its process with what it watches: that is to notice as little as can be."""

import asyncio
from collections import deque
from statistics import median
from typing import Final, Protocol

SHARE: Final = 0.5
"""Of the time, where there is room for it."""
LEAST_SHARE: Final = 0.03
"""Of the time, where the process is busy: what waits meanwhile is in files, and is read when there is room."""
LATE_SECONDS: Final = 0.008
"""An event loop that is half of the time later than this with what is due has all that it can do."""
SAMPLE_SECONDS: Final = 0.1
SAMPLES: Final = 20


class Stop(Protocol):
    """The wish that the watching end."""

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""


class Pace:
    """The share of time that one part of the console may take, by how busy the event loop is.

    Args:
        is_guest: Whether the process is there for something else; one of the console's own is never too busy for it.
    """

    def __init__(self, *, is_guest: bool) -> None:
        self._is_guest = is_guest
        self._late: deque[float] = deque(maxlen=SAMPLES)

    @property
    def share(self) -> float:
        """Of the time, above 0."""
        is_busy = self._is_guest and self._late and median(self._late) > LATE_SECONDS
        return LEAST_SHARE if is_busy else SHARE

    def rest(self, worked: float) -> float:
        """Seconds to rest after so many of work."""
        return worked * (1 / self.share - 1)

    async def watch(self, stop: Stop) -> None:
        """Watch how late the event loop is, until the stop is wished for."""
        loop = asyncio.get_running_loop()
        while self._is_guest and not stop.wished:
            due = loop.time() + SAMPLE_SECONDS
            await stop.pause(SAMPLE_SECONDS)
            self._late.append(loop.time() - due)
