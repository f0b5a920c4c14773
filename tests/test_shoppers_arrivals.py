"""When commands arrive."""

import math
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_platform.shoppers.arrivals import PROFILES, arrivals

PROFILE_NAMES = sorted(PROFILES)
profiles = st.sampled_from(PROFILE_NAMES)
seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(profiles, st.floats(0.1, 500), st.floats(0.01, 5), seeds)
def test_schedule_is_repeatable(profile: str, rate: float, duration: float, seed: int) -> None:
    """The same seed gives the same times, ascending and within the duration."""
    times = list(arrivals(profile, rate, duration, seed))
    assert times == list(arrivals(profile, rate, duration, seed))
    assert all(earlier < later for earlier, later in pairwise(times))
    assert all(0 < at < duration for at in times)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_another_seed_gives_other_times(profile: str) -> None:
    """Two seeds do not share a schedule."""
    assert list(arrivals(profile, 100, 1, 1)) != list(arrivals(profile, 100, 1, 2))


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_profile_averages_one_and_keeps_below_its_peak(profile: str) -> None:
    """Every profile brings the same number of commands over a cycle, and thinning never meets a rate above the peak."""
    multiple, peak = PROFILES[profile]
    multiples = [multiple((step + 0.5) / 10_000) for step in range(10_000)]
    assert math.isclose(sum(multiples) / 10_000, 1, rel_tol=1e-3)
    assert min(multiples) >= 0
    assert max(multiples) <= peak


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counts_follow_the_rate(profile: str, seed: int) -> None:
    """In each tenth of a run the arrivals are as many as the rate says, within five standard deviations."""
    rate, duration, tenths = 200.0, 100.0, 10
    multiple = PROFILES[profile].multiple
    times = list(arrivals(profile, rate, duration, seed))
    for tenth in range(tenths):
        shares = [(tenth + (step + 0.5) / 1000) / tenths for step in range(1000)]
        expected = sum(map(multiple, shares)) / 1000 * rate * duration / tenths
        counted = sum(tenth <= at / duration * tenths < tenth + 1 for at in times)
        assert abs(counted - expected) <= 5 * math.sqrt(expected) + 1


@settings(deadline=None)
@given(seeds)
def test_gaps_are_as_scattered_as_a_poisson_process(seed: int) -> None:
    """The gaps' standard deviation is about their mean, as that of an exponential distribution is."""
    times = list(islice(arrivals("steady", 10, math.inf, seed), 5000))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert 0.85 < deviation / mean < 1.15


def test_load_without_end_repeats_its_profile() -> None:
    """A profile goes on in cycles when the duration is infinite."""
    times = islice(arrivals("ramp", 10, math.inf, 1), 10_000)
    assert list(times)[-1] > 900
