"""Keeps the file within its bounds: what is old is made coarser, what is too old is forgotten, room is given back.

All of it is done in slices, on the writer's thread between what is recorded, so that recording hardly waits for it.
When the file is too large, the oldest goes first, whichever signal it is of; samples stay as long as they are a small
part of it, for they tell of the whole run in little room.
"""

import asyncio
import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from cart_observability.console.charts import marks
from cart_observability.console.events import events
from cart_observability.console.file import Full, SignalFile
from cart_observability.console.logs import lines
from cart_observability.console.metrics import samples
from cart_observability.console.metrics.tiers import SECOND
from cart_observability.console.traces import spans

__all__ = ("SIGNALS", "Bounds", "Pruner", "Signal")

SECONDS: Final = 0.25
"""Between two looks at the file when there is nothing to do."""
NEAR_SECONDS: Final = 0.1
"""The same where the file is nearly as large as it may be."""
SLICE_SECONDS: Final = 0.02
"""How long recording may wait for a slice."""
LONGEST_SLICE_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 0.01
ROWS: Final = 256
"""Forgotten at a time, within a slice."""
FEWEST_ROWS: Final = 64
"""Forgotten at a time where nothing is old enough to be told apart by its age."""
PARTS_OF_TIME: Final = 64
"""What is kept is forgotten in such parts where signals go back equally far."""
PAGES_AT_A_TIME: Final = 64
LARGEST_LOG: Final = 16 << 20
"""Bytes of the log beside the file, once what is in it is in the file."""
SPARED_SHARE: Final = 8
"""Samples are spared while they take less than this part of the bound."""
MEASURED_SECONDS: Final = 60.0
"""How long it counts how much room samples take."""
MOST_FREE_SHARE: Final = 2
LEAST_FREE: Final = 4 << 20
"""More than this part of the file, and more than so many bytes, are not to be empty."""
RESERVE_SHARE: Final = 6
MOST_RESERVED: Final = 64 << 20
"""This part of the bound, but not more than so many bytes, is left free for what comes until the next slice."""
NEAR_SHARE: Final = 4
"""The file is nearly as large as it may be when less than this part of that is left."""
LEAST_SHARE: Final = 4
"""This part of the bound is used at least, however much the file's log takes."""


class Bounds(NamedTuple):
    """How much is kept.

    Attributes:
        age_seconds: For how long; may be infinite.
        bytes: Of the file and of what is beside it.
    """

    age_seconds: float = 86_400.0
    bytes: int = 1 << 30


_log = logging.getLogger(__name__)

Prune = Callable[[sqlite3.Connection, int], int]


class Signal(NamedTuple):
    """Something that is kept, and how it is forgotten; times are ns since the epoch.

    Attributes:
        oldest: From when the oldest of it is; None where nothing is kept.
        prune: Forgets about so many rows, the oldest; answers how many.
        prune_before: The same of what is older than a time.
        room: How many bytes it takes, for what is spared while that is little; None for what is not.
    """

    oldest: Callable[[sqlite3.Connection], int | None]
    prune: Prune
    prune_before: Callable[[sqlite3.Connection, int, int], int]
    room: Callable[[sqlite3.Connection], int] | None = None


SIGNALS: Final = (
    Signal(lines.oldest, lines.prune, lines.prune_before),
    Signal(spans.oldest, spans.prune, spans.prune_before),
    Signal(events.oldest, events.prune, events.prune_before),
    Signal(marks.oldest, marks.prune, marks.prune_before),
    Signal(samples.oldest, samples.prune, samples.prune_before, samples.room),
)


class Pruner:
    """Keeps one file within bounds.

    Args:
        file: The file.
        bounds: How much is kept.
        signals: What is kept.
    """

    def __init__(self, file: SignalFile, bounds: Bounds, signals: Sequence[Signal] = SIGNALS) -> None:
        self._file = file
        self._bounds = bounds
        self._signals = signals
        self._reserve = min(bounds.bytes // RESERVE_SHARE, MOST_RESERVED)
        self._measured = -math.inf
        self._is_small = True
        self._is_well = True
        self._is_near = False
        self._tidied = -math.inf

    async def run(self, stop: asyncio.Event) -> None:
        """Do so until stopped."""
        while not stop.is_set():
            is_more = await self._done(time.time_ns())
            if time.monotonic() > self._tidied + SECONDS:
                self._tidied = time.monotonic()
                await asyncio.to_thread(self.tidy)
            rest = PAUSE_SECONDS if is_more else NEAR_SECONDS if self._is_near else SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest)

    def tidy(self) -> None:
        """Bring what is in the log into the file, if one of them is larger than it need be; nobody waits for that."""
        with self._file.reading() as connection:
            is_larger_than_said = self._file.path.stat().st_size > _pages(connection).all + LEAST_FREE
        if is_larger_than_said or self._beside() > LARGEST_LOG + LEAST_FREE:
            # Of a connection of its own: the writer's is always in a transaction.
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self._file.path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def _done(self, now: int) -> bool:
        """Have a slice done; answers whether there is more to do at once."""
        try:
            is_more = await asyncio.wrap_future(self._file.submit(lambda connection: self.slice(connection, now)))
        except Full:
            # Now more than ever: there is room again when the writer has done what waits.
            return True
        except Exception:  # noqa: BLE001  whatever it is: who is to keep the file within its bounds must try again
            if self._is_well:
                _log.exception("the console cannot forget what is old")
            self._is_well = False
            return False
        self._is_well = True
        return is_more

    def slice(self, connection: sqlite3.Connection, now: int) -> bool:
        """Do a little of all that is to be done; answers whether there is more. On the writer's thread."""
        # The log is cut to this when it is begun anew.
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG}")
        return any(
            [
                samples.condense(connection, now),
                samples.expire(connection, now),
                self._forget_old(connection, now),
                self._shrink(connection, now),
                self._give_back(connection),
            ]
        )

    def _forget_old(self, connection: sqlite3.Connection, now: int) -> bool:
        """Forget some of what is too old."""
        before = now - round(min(self._bounds.age_seconds, now / SECOND) * SECOND)
        until = time.perf_counter() + SLICE_SECONDS
        for signal in self._signals:
            while (oldest := signal.oldest(connection)) is not None and oldest < before:
                if not signal.prune_before(connection, before, ROWS):
                    break
                if time.perf_counter() > until:
                    return True
        return False

    def _shrink(self, connection: sqlite3.Connection, now: int) -> bool:
        """Forget some of the oldest if more is used than may be."""
        used, allowed = _pages(connection).used, self._allowed()
        self._is_near = used > allowed - allowed // NEAR_SHARE
        # A file that outgrows its bound is worth a longer wait.
        is_urgent = used > allowed + self._reserve // 2
        until = time.perf_counter() + (LONGEST_SLICE_SECONDS if is_urgent else SLICE_SECONDS)
        while _pages(connection).used > allowed:
            if not self._forget_oldest(connection, now):
                return False
            if time.perf_counter() > until:
                return True
        return False

    def _forget_oldest(self, connection: sqlite3.Connection, now: int) -> bool:
        """Forget a little of what goes back farthest, as far as the next signal does; whether there was anything."""
        kept = self._oldest_first(connection)
        nexts = [*(oldest for oldest, _ in kept[1:]), 0]
        for (oldest, signal), next_oldest in zip(kept, nexts, strict=False):
            # Or a little farther, where several go back equally far.
            before = max(next_oldest, oldest + max(SECOND, (now - oldest) // PARTS_OF_TIME))
            if signal.prune_before(connection, before, ROWS) or signal.prune(connection, FEWEST_ROWS):
                return True
        return False

    def _give_back(self, connection: sqlite3.Connection) -> bool:
        """Give some of the room back that nothing is in, if the file is too large or mostly empty."""
        pages = _pages(connection)
        is_too_large = pages.all > self._bounds.bytes - self._beside()
        is_empty = pages.free > max(pages.all // MOST_FREE_SHARE, LEAST_FREE)
        if not pages.free or not (is_too_large or is_empty):
            return False
        until = time.perf_counter() + SLICE_SECONDS
        while time.perf_counter() < until and _pages(connection).free:
            for _ in range(PAGES_AT_A_TIME):
                # One at a time: the driver leaves the statement after its first step, which is one page.
                connection.execute("PRAGMA incremental_vacuum(1)")
        return _pages(connection).free < pages.free

    def _oldest_first(self, connection: sqlite3.Connection) -> list[tuple[int, Signal]]:
        """What is kept, from when on, by what is to go first; what is spared goes when nothing else is left."""
        found = [(oldest, signal) for signal in self._signals if (oldest := signal.oldest(connection)) is not None]
        return sorted(found, key=lambda each: (self._is_spared(connection, each[1]), each[0]))

    def _is_spared(self, connection: sqlite3.Connection, signal: Signal) -> bool:
        if signal.room is None:
            return False
        if time.monotonic() > self._measured + MEASURED_SECONDS:
            self._measured = time.monotonic()
            self._is_small = signal.room(connection) < self._bounds.bytes // SPARED_SHARE
        return self._is_small

    def _allowed(self) -> int:
        """Bytes that may be used in the file."""
        most = self._bounds.bytes
        return max(most // LEAST_SHARE, most - self._reserve - self._beside())

    def _beside(self) -> int:
        """Bytes of the log beside the file."""
        return self._file.size - self._file.path.stat().st_size


class _Pages(NamedTuple):
    """What a file is made of, in bytes."""

    all: int
    free: int

    @property
    def used(self) -> int:
        return self.all - self.free


def _pages(connection: sqlite3.Connection) -> _Pages:
    size, every, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return _Pages(every * size, free * size)
