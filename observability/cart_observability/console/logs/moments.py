"""Times as people write them: ISO 8601, of which the end may be left out."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

FIRST: Final = -(1 << 63)
LAST: Final = (1 << 63) - 1
"""Of what can be stored: ns since the epoch, in the years 1677 to 2262."""

SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_UNITS: Final = {"second": SECOND, "minute": 60 * SECOND, "hour": 3_600 * SECOND, "day": 86_400 * SECOND}


class Span(NamedTuple):
    """From `start` to before `end`, in ns since the epoch."""

    start: int
    end: int


def read(text: str) -> Span | None:
    """All that a text may mean: 10:00 is the whole minute. UTC where it names no zone; None if it is no time."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        return None
    parts = written.groupdict("")
    clock = ":".join(parts[name] or "00" for name in ("hour", "minute", "second"))
    try:
        said = datetime.fromisoformat(f"{parts['day']}T{clock}{parts['zone'].upper() or 'Z'}")
    except ValueError:
        return None
    start = of(said) + int(parts["fraction"].ljust(9, "0"))
    unit = next(length for name, length in _UNITS.items() if parts[name])
    if parts["fraction"]:
        unit = 10 ** (9 - len(parts["fraction"]))
    return Span(stored(start), stored(start + unit))


def of(time: datetime) -> int:
    """A time as ns since the epoch; UTC where it names no zone."""
    stamped = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (stamped - _EPOCH) // timedelta(microseconds=1) * 1_000


def stored(time: int) -> int:
    """A time that can be stored, the nearest one if need be."""
    return max(FIRST, min(time, LAST))
