"""Percentiles in bounded memory."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from cart_platform.shoppers.histogram import Histogram


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e5), min_size=1), st.sampled_from([50.0, 90.0, 99.0, 99.9]))
def test_percentile_is_within_one_percent(durations: list[float], percent: float) -> None:
    """A percentile is within 1 % of the exact one, and the longest duration is exact."""
    histogram = Histogram()
    for seconds in durations:
        histogram.record(seconds)
    exact = sorted(durations)[math.ceil(len(durations) * percent / 100) - 1]
    assert math.isclose(histogram.percentile(percent), exact, rel_tol=0.0101)
    assert histogram.as_dict()["max"] == max(durations)


def test_nothing_counted() -> None:
    """Without a duration every percentile is nought."""
    assert Histogram().as_dict() == {"p50": 0, "p90": 0, "p99": 0, "p99.9": 0, "max": 0}


def test_durations_too_short_to_tell() -> None:
    """Nought, or a clock that went a little backwards, counts as the smallest duration."""
    histogram = Histogram()
    histogram.record(0.0)
    histogram.record(-1e-9)
    assert histogram.count == 2
    assert histogram.percentile(50) == 0
