"""How much a console may work that shares its process with what it watches: that is to notice as little as can be."""

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final, Protocol

OWN_SHARE: Final = 0.9
"""Of one processor's time, in a process of the console's own: what is asked of the page must get its turn, too."""
SHARE: Final = 0.5
"""Of the same for a guest, where there is room for it."""
WATCHED_SHARE: Final = 0.15
"""Of the same, where the process is busy and somebody looks on: some 3,000 lines a second."""
LEAST_SHARE: Final = 0.02
"""Of the same, where nobody does: what waits meanwhile is in files, and is read when there is room."""
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
    """The share of a processor's time that one part of the console may take, by how busy the event loop is.

    It is not that of the clock's: in a process that is busy, most of that goes by in waiting for one's turn.

    Args:
        is_guest: Whether the process is there for something else; one of the console's own is never too busy for it.

    Attributes:
        is_watched: Tells whether somebody looks on at this moment.
    """

    def __init__(self, *, is_guest: bool) -> None:
        self.is_watched: Callable[[], bool] = lambda: False
        self._is_guest = is_guest
        self._late: deque[float] = deque(maxlen=SAMPLES)

    @property
    def share(self) -> float:
        """Of the processor's time, above 0."""
        if not self._is_guest:
            return OWN_SHARE
        if not self._late or median(self._late) <= LATE_SECONDS:
            return SHARE
        return WATCHED_SHARE if self.is_watched() else LEAST_SHARE

    def rest(self, worked: float) -> float:
        """Seconds to rest after so many of the processor's time."""
        return worked * (1 / self.share - 1)

    async def watch(self, stop: Stop) -> None:
        """Watch how late the event loop is, until the stop is wished for."""
        loop = asyncio.get_running_loop()
        while self._is_guest and not stop.wished:
            due = loop.time() + SAMPLE_SECONDS
            await stop.pause(SAMPLE_SECONDS)
            self._late.append(loop.time() - due)
