"""What the metrics of several processes say together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cart_observability.readings import Readings, quantile


def counted(amount: float) -> CollectorRegistry:
    """A process that has counted so many events of a handler."""
    registry = CollectorRegistry()
    Counter("events", "Events.", ["handler", "outcome"], registry=registry).labels("threshold", "done").inc(amount)
    return registry


@given(st.lists(st.lists(st.integers(0, 1_000), min_size=1, max_size=5), max_size=6))
def test_counters_go_on_over_restarts(lives: list[list[int]]) -> None:
    """However often a process starts again from zero, the total is what all its lives have counted.

    A life that begins with no less than the last one ended cannot be told from its going on, by Prometheus neither.
    """
    readings, expected, last = Readings(), 0.0, 0.0
    for life in lives:
        amount = 0.0
        for step in life:
            amount += step
            readings.read("worker", counted(amount).collect())
            expected += amount - last if amount >= last else amount
            last = amount
    assert expected == readings.total("events_total")


def test_processes_add_up_and_are_told_apart_by_label() -> None:
    """The sum goes over all processes, and may be taken by a label or for one value of it."""
    readings = Readings()
    for process in ("one", "two"):
        readings.read(process, counted(3).collect())
    assert readings.total("events_total", handler="threshold") == 6
    assert readings.by("outcome", "events_total") == {"done": 6}
    assert readings.total("events_total", handler="popularity") == 0


def test_gauges_do_not_count() -> None:
    """A gauge goes up and down and is no count: it is left out."""
    registry, readings = CollectorRegistry(), Readings()
    Gauge("in_flight", "Events.", registry=registry).set(4)
    readings.read("worker", registry.collect())
    assert readings.total("in_flight") == 0


def test_rates_are_of_the_last_seconds() -> None:
    """The rate is the rise over the window, and what came before it is left out."""
    readings = Readings()
    for second in range(31):
        rate = readings.rate("accepted", 100 * second if second > 15 else 0, float(second))
    assert rate == 100


@given(st.lists(st.floats(0.001, 9.9), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantiles_lie_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    """The quantile of a histogram is within the bucket that holds the true quantile."""
    registry, readings = CollectorRegistry(), Readings()
    bounds = [0.0, 0.01, 0.1, 1.0, 10.0]
    histogram = Histogram("seconds", "Seconds.", buckets=bounds[1:], registry=registry)
    for value in values:
        histogram.observe(value)
    readings.read("worker", registry.collect())
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    upper = next(bound for bound in bounds[1:] if true <= bound)
    lower = bounds[bounds.index(upper) - 1]
    assert lower <= readings.quantile(share, "seconds") <= upper


def test_no_observations_have_no_quantile() -> None:
    """Without observations there is no quantile, and above the highest bound it is that bound."""
    assert math.isnan(quantile(0.5, {}))
    assert math.isnan(quantile(0.5, {1.0: 0.0, math.inf: 0.0}))
    assert quantile(0.5, {1.0: 0.0, math.inf: 4.0}) == pytest.approx(1.0)
