"""What a log line says: an object of JSON in the fields of the Elastic Common Schema, flat or nested."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from cart_observability.console.records import Line

MOST_FIELDS: Final = 1_000
LONGEST_LEVEL: Final = 32
DEFAULT_LEVEL: Final = "info"
"""Of a line that does not say."""
LATEST: Final = 1 << 62
"""Times beyond, in 2116, cannot be meant."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MISSING: Final = object()


class RefusedError(ValueError):
    """A line is none that can be recorded; says why."""


def line_of(text: bytes, service: str) -> Line:
    """A line as it is recorded.

    Args:
        text: One object of JSON, with `@timestamp` and `message` in it.
        service: Whose line it is when it does not say itself.

    Raises:
        RefusedError: It is no such object, or a field that every line has is of another type than it should be.
    """
    try:
        fields = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"no object of JSON ({error})") from error
    if dict in map(type, fields.values()):
        fields = _flat(fields)
    if len(fields) > MOST_FIELDS:
        raise RefusedError(f"more than {MOST_FIELDS} fields")
    time, message = fields.pop("@timestamp", None), _text(fields, "message", _MISSING)
    level = _text(fields, "log.level", DEFAULT_LEVEL).lower()
    if not 0 < len(level) <= LONGEST_LEVEL:
        raise RefusedError("log.level is no level")
    said_service = _text(fields, "service.name", service)
    action = _text(fields, "event.action", "") or None
    return Line(_time(time), level, said_service, action, message, fields)


def _text(fields: dict[str, Any], name: str, default: Any) -> str:
    """Take a field out of others; null is as good as missing."""
    value = fields.pop(name, None)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise RefusedError(f"{name} is no text")
    return value


def _time(said: object) -> int:
    if not isinstance(said, str):
        raise RefusedError("@timestamp is no time")
    try:
        time = datetime.fromisoformat(said)
    except ValueError as error:
        raise RefusedError("@timestamp is no time") from error
    # Most lines are of UTC; for those that do not say it, it is the best guess.
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    nanoseconds = since // _MICROSECOND * 1_000
    if not 0 <= nanoseconds < LATEST:
        raise RefusedError("@timestamp is of another century")
    return nanoseconds


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Objects within objects as dotted names; in the order in which they are written."""
    fields: dict[str, Any] = {}
    waiting = [("", nested)]
    while waiting:
        within, values = waiting.pop()
        for name, value in values.items():
            if isinstance(value, dict):
                waiting.append((f"{within}{name}.", value))
            else:
                fields[within + name] = value
    return fields
