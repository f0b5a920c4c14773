"""When commands arrive: a Poisson process whose rate follows a profile.

The schedule is made from the profile, the rate and the seed alone. It knows nothing of how the API answers, so a slow
API meets the same load as a fast one (an open loop), and the time a command waits for it shows in its latency.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import NamedTuple

OPEN_END_CYCLE = 300.0
"""Seconds after which a profile repeats when the load has no end."""

BURSTS = 4
BURST_SHARE = 0.2


class Profile(NamedTuple):
    """How the rate moves over one cycle.

    `multiple` takes the share of the cycle that has passed, 0 up to 1, and gives the rate as a multiple of its mean;
    over the whole cycle it averages 1, so that every profile brings the same number of commands. `peak` is its maximum.
    """

    multiple: Callable[[float], float]
    peak: float


def _burst(share: float) -> float:
    return 3.0 if share * BURSTS % 1 < BURST_SHARE else 0.5


PROFILES: Mapping[str, Profile] = {
    "steady": Profile(lambda _: 1.0, 1.0),
    "ramp": Profile(lambda share: 2 * share, 2.0),
    "burst": Profile(_burst, 3.0),
    "daily": Profile(lambda share: 1 - 0.8 * math.cos(2 * math.pi * share), 1.8),
}
"""steady; ramp from nothing to twice the rate; four bursts of six times the quiet rate; a day from night to night."""


def arrivals(profile: str, rate: float, duration: float, seed: int) -> Iterator[float]:
    """Times at which commands arrive, ascending, in seconds from the start.

    Source: thinning, Lewis and Shedler (1979): arrivals at the peak rate, each kept with the chance of the rate at that
    time over the peak.

    Args:
        profile: A name in `PROFILES`; one cycle of it fills the duration.
        rate: Mean arrivals per second.
        duration: Seconds; `math.inf` for no end.
        seed: The same seed gives the same times.
    """
    multiple, peak = PROFILES[profile]
    cycle = duration if math.isfinite(duration) else OPEN_END_CYCLE
    chance = Random(f"arrivals {seed}")  # noqa: S311  load, not secrets
    at = 0.0
    while (at := at + chance.expovariate(rate * peak)) < duration:
        if chance.random() * peak < multiple(at / cycle % 1):
            yield at
