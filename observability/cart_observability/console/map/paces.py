"""How fast counts of spans rise: what was counted between now and some seconds ago, when somebody looked before."""

import threading
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000
WINDOW: Final = 10 * SECOND
"""Over which paces are taken, in ns."""
LEAST: Final = 3 * SECOND
"""Paces are taken over no less: exporters send spans once a second, or less often."""

Counts = Mapping[Hashable, tuple[int, int]]
"""How many spans were counted, and how many of them failed."""


class Pace(NamedTuple):
    """Spans, and failed ones, a second."""

    spans: float
    failed: float


class Paces:
    """Remembers what was counted at each look; any thread may look."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, Counts]] = deque()
        self._turn = threading.Lock()

    def look(self, now: int, counts: Counts) -> dict[Hashable, Pace]:
        """The pace of each count at a time (ns); none for what was not counted at an earlier look."""
        with self._turn:
            while self._looks and not now - WINDOW <= self._looks[0][0] <= now:
                self._looks.popleft()
            looks = [look for look in self._looks if now - look[0] >= LEAST]
            self._looks.append((now, counts))
        found: dict[Hashable, Pace] = {}
        for key, count in counts.items():
            before = next((look for look in looks if key in look[1]), None)
            if before is not None:
                found[key] = _pace(before[1][key], count, (now - before[0]) / SECOND)
        return found


def _pace(before: tuple[int, int], now: tuple[int, int], seconds: float) -> Pace:
    # What was counted may have been forgotten meanwhile, and begun again.
    return Pace(*(max(0, later - earlier) / seconds for earlier, later in zip(before, now, strict=True)))
