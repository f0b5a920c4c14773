"""How finely samples are kept: each scrape of the last minutes, ten-second points of the last hours, minutes beyond.

Samples lie together by tier and slot, a stretch of time: within a slot a series' samples are one piece of the file, so
that a chart reads little, and an old slot goes as a whole. The first scrape of a slot is kept in full, later ones where
they differ: nothing outside of its slot is needed to know a value.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000


class Tier(NamedTuple):
    """One fineness; all in nanoseconds.

    Attributes:
        number: 0 for the finest.
        step: Between two points; 0 where each scrape is one.
        slot: What lies together.
        kept: How long it is kept at most; None for as long as anything is.
        gap: Scrapes that are farther apart have something missing between them.
        held: How long a value counts that is not told again.
    """

    number: int
    step: int
    slot: int
    kept: int | None
    gap: int
    held: int

    def place(self, time: int) -> tuple[int, int]:
        """The slot of a time, and where in it: milliseconds from its beginning."""
        slot, rest = divmod(time, self.slot)
        return slot, rest // MILLISECOND

    def time(self, slot: int, at: int) -> int:
        """The time at a place."""
        return slot * self.slot + at * MILLISECOND


MINUTE: Final = 60 * SECOND
SCRAPES: Final = Tier(0, 0, MINUTE, 15 * MINUTE, MINUTE, 2 * MINUTE)
TEN_SECONDS: Final = Tier(1, 10 * SECOND, 10 * MINUTE, 360 * MINUTE, MINUTE + 15 * SECOND, 2 * MINUTE)
MINUTES: Final = Tier(2, MINUTE, 60 * MINUTE, None, 3 * MINUTE, 12 * MINUTE)
TIERS: Final = (SCRAPES, TEN_SECONDS, MINUTES)


def fitting(step: int) -> Tier:
    """The coarsest tier that is fine enough for steps of so many nanoseconds."""
    return max(tier for tier in TIERS if tier.step <= step)


class Stretch(NamedTuple):
    """A part of a time range and the tier that tells it; from `start` on, before `end`."""

    tier: Tier
    start: int
    end: int

    def slots(self) -> range:
        """The slots that it touches."""
        return range(self.start // self.tier.slot, -(-self.end // self.tier.slot))


def stretches(start: int, end: int, step: int, known: tuple[int, ...], oldest: tuple[int, ...]) -> Iterator[Stretch]:
    """How a time range is read in steps of so many nanoseconds, oldest first.

    Each part is read from the coarsest tier that is fine enough, or from one that still, or already, knows it.

    Args:
        start: Where the range begins.
        end: Where it ends.
        step: What one point of the reader's spans.
        known: Until when each tier is made, the finest first.
        oldest: From when on each tier is there.
    """
    wanted = fitting(step).number
    start = max(start, min(oldest))
    for tier in reversed(TIERS):
        # What is too coarse is read only where nothing finer is left.
        until = known[tier.number] if tier.number <= wanted else min(known[tier.number], oldest[tier.number - 1])
        if tier.number == 0:
            until = end
        if start < min(until, end):
            yield Stretch(tier, start, min(until, end))
            start = min(until, end)
