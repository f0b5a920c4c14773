"""Metrics and their children, kept by label values and bounded in number."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import Metric as PrometheusMetric
from prometheus_client.metrics import MetricWrapperBase

LIMIT: Final = 64
"""Distinct values that one label of one metric may take; what comes after them is counted under `OTHER`."""
OTHER: Final = "_other"

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Family(Generic[Metric]):
    """The children of one metric.

    A child is looked up through prometheus_client once and kept: its own `labels()` costs several times the record.
    Label values may come from outside (an event type is what a publisher says it is), so each label takes at most
    `limit` distinct values and all further ones share `_other`: no sender decides how much memory is used.
    """

    def __init__(self, metric: Metric, labels: int, limit: int = LIMIT) -> None:
        self._metric = metric
        self._limit = limit
        self._children: dict[tuple[str, ...], Metric] = {}
        self._known: tuple[set[str], ...] = tuple(set() for _ in range(labels))

    def child(self, *values: str) -> Metric:
        """The child of these label values, given in the order in which the labels were declared."""
        child = self._children.get(values)
        return self._admit(values) if child is None else child

    def _admit(self, values: tuple[str, ...]) -> Metric:
        bounded = tuple(self._bounded(values))
        # Kept under the bounded values only: a table of refused values would grow as far as a sender likes.
        return self._children.setdefault(bounded, self._metric.labels(*bounded))

    def _bounded(self, values: tuple[str, ...]) -> Iterator[str]:
        for known, value in zip(self._known, values, strict=True):
            if value not in known and len(known) < self._limit:
                known.add(value)
            yield value if value in known else OTHER


class Level(Gauge):
    """A gauge without labels that has no sample until it is set: nobody shows what he never measured."""

    _measured = False

    def set(self, value: float) -> None:
        """Sets the value."""
        super().set(value)
        self._measured = True

    def inc(self, amount: float = 1) -> None:
        """Adds to the value, which begins at 0."""
        super().inc(amount)
        self._measured = True

    def collect(self) -> Iterable[PrometheusMetric]:
        """The family, as a registry asks for it."""
        for family in super().collect():
            if not self._measured:
                family.samples = []
            yield family


class Definer:
    """Defines metrics in one registry; a metric without labels comes as it is, one with labels as a Family."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry: dict[str, Any] = {"registry": registry}

    def total(self, name: str, meaning: str) -> Counter:
        """Defines a counter without labels."""
        return Counter(name, meaning, **self._registry)

    def level(self, name: str, meaning: str) -> Level:
        """Defines a gauge without labels."""
        return Level(name, meaning, **self._registry)

    def counters(self, name: str, meaning: str, *labels: str) -> Family[Counter]:
        """Defines a counter for each value of the labels."""
        return Family(Counter(name, meaning, labels, **self._registry), len(labels))

    def gauges(self, name: str, meaning: str, *labels: str) -> Family[Gauge]:
        """Defines a gauge for each value of the labels."""
        return Family(Gauge(name, meaning, labels, **self._registry), len(labels))

    def histograms(self, name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Family[Histogram]:
        """Defines a histogram with these upper bounds for each value of the labels."""
        return Family(Histogram(name, meaning, labels, buckets=buckets, **self._registry), len(labels))
