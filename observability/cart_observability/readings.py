"""What the metrics of several processes say together: counters whose resets are handled, rates, quantiles.

The same arithmetic that Prometheus does with `increase`, `rate` and `histogram_quantile`, for where no Prometheus is.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric

Series = tuple[str, str, frozenset[tuple[str, str]]]
"""A process, a sample's name, and its labels."""

CUMULATIVE = ("counter", "histogram", "summary")
WINDOW_SECONDS = 10.0
SHORTEST = 2
"""Readings that a rate needs."""


@dataclass(slots=True)
class Counter:
    """A counter as read again and again; `total` goes on where the process started again from zero."""

    total: float = 0.0
    last: float = 0.0

    def read(self, value: float) -> None:
        """Take the value that the process shows; a smaller one than before means that it was started again."""
        self.total += value - self.last if value >= self.last else value
        self.last = value


@dataclass(slots=True)
class Readings:
    """All counters of some processes, those of histograms among them.

    Counters are read since the first `read`; what a process counted between the last reading and its death is not seen.
    """

    counters: dict[Series, Counter] = field(default_factory=lambda: defaultdict(Counter))
    history: dict[str, deque[tuple[float, float]]] = field(default_factory=lambda: defaultdict(deque))

    def read(self, process: str, families: Iterable[Metric]) -> None:
        """Take what one process's `/metrics` shows."""
        for family in families:
            for sample in family.samples if family.type in CUMULATIVE else ():
                self.counters[process, sample.name, frozenset(sample.labels.items())].read(sample.value)

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter over all processes and all labels that are not named."""
        wanted = labels.items()
        return sum(
            counter.total for (_, sample, given), counter in self.counters.items() if sample == name and wanted <= given
        )

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The sums of a counter for each value of a label."""
        sums: dict[str, float] = defaultdict(float)
        wanted = labels.items()
        for (_, sample, given), counter in self.counters.items():
            if sample == name and wanted <= given:
                sums[dict(given).get(label, "")] += counter.total
        return dict(sums)

    def quantile(self, share: float, name: str, **labels: str) -> float:
        """A quantile of a histogram over all processes, in its own unit; NaN without observations."""
        buckets: dict[float, float] = defaultdict(float)
        for bound, amount in self.by("le", f"{name}_bucket", **labels).items():
            buckets[float(bound)] += amount
        return quantile(share, buckets)

    def rate(self, key: str, total: float, now: float) -> float:
        """The rate per second at which a total, noted under a key, rose over the last ten seconds."""
        noted = self.history[key]
        noted.append((now, total))
        while len(noted) > SHORTEST and noted[1][0] <= now - WINDOW_SECONDS:
            noted.popleft()
        elapsed = now - noted[0][0]
        return (total - noted[0][1]) / elapsed if elapsed > 0 else 0.0


def quantile(share: float, cumulative: Mapping[float, float]) -> float:
    """The quantile that cumulative buckets (upper bound: observations up to it) tell, NaN without observations.

    Linear within a bucket, and the highest finite bound for what lies above it, as Prometheus' `histogram_quantile`.
    """
    bounds = sorted(cumulative)
    if not bounds or not cumulative[bounds[-1]]:
        return math.nan
    rank = share * cumulative[bounds[-1]]
    below, lower = 0.0, 0.0
    for bound in bounds:
        if cumulative[bound] >= rank and cumulative[bound] > below:
            return (
                lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (cumulative[bound] - below)
            )
        below, lower = cumulative[bound], bound
    return lower
