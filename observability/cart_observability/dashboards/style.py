"""What colours and units mean, the same on every dashboard."""

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold

EVENTS_PER_SECOND: Final = units.EventsPerSecond
MESSAGES_PER_SECOND: Final = units.MessagesPerSecond
REQUESTS_PER_SECOND: Final = units.RequestsPerSecond
PER_SECOND: Final = units.CountsPerSecond
SECONDS: Final = units.Seconds
BYTES: Final = units.BytesIEC
RATIO: Final = units.PercentUnit
COUNT: Final = units.Short

GOOD: Final = "green"
REPEATED: Final = "blue"
DELAYED: Final = "orange"
BAD: Final = "red"
NEUTRAL: Final = "text"

Colours = Mapping[str, str]
"""The colour of each word that the name of a series may have in it."""

BY_OUTCOME: Final[Colours] = {"done": GOOD, "duplicate": REPEATED, "retried": DELAYED, "dead_lettered": BAD}
BY_PUBLISH_OUTCOME: Final[Colours] = {"confirmed": GOOD, "unroutable": BAD, "unknown": DELAYED}
BY_HANDLER: Final[Colours] = {"threshold": "purple", "popularity": "light-blue", "notification": "yellow"}
BY_QUEUE_ROLE: Final[Colours] = {"work": "light-blue", "retry": DELAYED, "dead": BAD}
BY_QUANTILE: Final[Colours] = {"p50": "light-blue", "p95": DELAYED, "p99": BAD, "mean": NEUTRAL}


def steps(base: str, *above: tuple[float, str]) -> list[Threshold]:
    """Colours by size: `base`, and from each value on the colour beside it; values ascend."""
    return [Threshold(color=base), *(Threshold(value=value, color=colour) for value, colour in above)]


def fixed(colour: str) -> list[DynamicConfigValue]:
    """The property of a field that gives it one colour."""
    return [DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})]
