"""How much a console may work that shares its process with what it watches: that is to notice as little as can be."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple, Protocol

OWN_SHARE: Final = 0.9
"""Of one processor's time, in a process of the console's own: what is asked of the page must get its turn, too."""
SHARE: Final = 0.5
"""Of the same for a guest, where there is room for it."""
WATCHED_SHARE: Final = 0.15
"""Of the same, where the process is busy and somebody looks on: some 3,000 lines a second."""
LEAST_SHARE: Final = 0.01
"""Of the same, where nobody does: what waits meanwhile is in files, and is read when there is room."""
LATE_SECONDS: Final = 0.008
"""An event loop that is half of the time later than this with what is due has all that it can do."""
FULL_SHARE: Final = 0.7
"""Of one processor's time, for all else in the process: what takes more has all that it can do, late or not."""
SAMPLE_SECONDS: Final = 0.1
SAMPLES: Final = 20


class Stop(Protocol):
    """The wish that the watching end."""

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""


class Moment(NamedTuple):
    """A time of the event loop, and seconds of the processor that all else in the process took until then."""

    time: float
    others: float


class Pace:
    """The share of a processor's time that one part of the console may take, by how busy the process is.

    It is not that of the clock's: in a process that is busy, most of that goes by in waiting for one's turn.

    Args:
        is_guest: Whether the process is there for something else; one of the console's own is never too busy for it.

    Attributes:
        is_watched: Tells whether somebody looks on at this moment.
    """

    def __init__(self, *, is_guest: bool) -> None:
        self.is_watched: Callable[[], bool] = lambda: False
        self._is_guest = is_guest
        self._worked = 0.0
        self._moments: deque[Moment] = deque(maxlen=SAMPLES + 1)

    @property
    def share(self) -> float:
        """Of the processor's time, above 0."""
        if not self._is_guest:
            return OWN_SHARE
        if not self._is_busy():
            return SHARE
        return WATCHED_SHARE if self.is_watched() else LEAST_SHARE

    def rest(self, worked: float) -> float:
        """Seconds to rest after that part has worked so many of the processor's time."""
        self._worked += worked
        return worked * (1 / self.share - 1)

    async def watch(self, stop: Stop) -> None:
        """Watch how busy the process is, until the stop is wished for."""
        loop = asyncio.get_running_loop()
        while self._is_guest and not stop.wished:
            self._moments.append(Moment(loop.time(), time.process_time() - self._worked))
            await stop.pause(SAMPLE_SECONDS)

    def _is_busy(self) -> bool:
        if len(self._moments) <= 1:
            return False
        first, last = self._moments[0], self._moments[-1]
        late = median(after.time - before.time - SAMPLE_SECONDS for before, after in pairwise(self._moments))
        return late > LATE_SECONDS or last.others - first.others > FULL_SHARE * (last.time - first.time)
