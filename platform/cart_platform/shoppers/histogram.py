"""Durations counted in buckets that widen with them: percentiles in bounded memory."""

import math
from collections import Counter

SMALLEST = 1e-6
"""Seconds; anything shorter counts as this."""

_GROWTH = math.log(1.02)


class Histogram:
    """Each bucket is 2 % wider than the one before, so a percentile is within 1 % of the exact one.

    Memory is bounded by the range: 1 microsecond to a day takes fewer than 1,300 buckets.
    """

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.longest = 0.0
        """Seconds, exact."""

    def record(self, seconds: float) -> None:
        """Counts one duration."""
        self._buckets[int(math.log(max(seconds, SMALLEST) / SMALLEST) / _GROWTH)] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def percentile(self, percent: float) -> float:
        """Seconds that `percent` of the durations do not exceed; 0 when none was counted."""
        rank, seen = math.ceil(self.count * percent / 100), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(SMALLEST * math.exp((bucket + 0.5) * _GROWTH), self.longest)
        return 0.0

    def as_dict(self) -> dict[str, float]:
        """p50, p90, p99, p99.9 and max, in seconds."""
        return {f"p{percent:g}": self.percentile(percent) for percent in (50, 90, 99, 99.9)} | {"max": self.longest}
