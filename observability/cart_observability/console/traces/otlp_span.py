"""A span as OTLP tells it, checked and bounded before it is kept: no sender decides how much is stored."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from cart_observability.console.records import Link, Span

LONGEST_NAME: Final = 1_000
LONGEST_TEXT: Final = 4_000
"""Characters of a value; more are cut off."""
LONGEST_NESTED: Final = 8_000
"""Bytes, as JSON, of a list or map; a longer one becomes the beginning of that text."""
MOST_ATTRIBUTES: Final = 128
"""What the OpenTelemetry SDKs keep of one span, if not told otherwise."""
MOST_CHARACTERS: Final = 64_000
"""Of all attributes of a span; what comes after them is left out."""
MOST_LINKS: Final = 128
EXACT_IN_JSON: Final = (1 << 53) - 1
"""A larger number would be another one in a browser: it is kept as text."""

KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
ERROR: Final = 2
"""Of the codes of a status."""

_TRACE_ID_DIGITS: Final = 32
_SPAN_ID_DIGITS: Final = 16
_NO_ID: Final = frozenset({"", "0" * _SPAN_ID_DIGITS})


class Unfit(Exception):  # noqa: N818  a property of a span, of which the sender is told
    """A span cannot be kept, for the reason that the text gives."""


class Draft(NamedTuple):
    """A span as it was sent: ids in lower-case hex or "", times in ns, codes as numbers, attributes as `plain` values.

    `size` are the bytes in which it came, or more.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    start: int
    end: int
    status: int
    message: str
    attributes: dict[str, Any]
    links: Sequence[tuple[str, str]]
    size: int


def checked(draft: Draft, latest: int) -> Span:
    """A span that can be kept.

    Args:
        draft: As it was sent.
        latest: No span can have ended later; ns since the epoch.

    Raises:
        Unfit: Its ids or its times are none.
    """
    trace_id, span_id, parent_id, service, name, kind, start, end, status, message, attributes, links, size = draft
    if len(trace_id) != _TRACE_ID_DIGITS or not trace_id.strip("0"):
        raise Unfit("a trace id is not 16 bytes, or zero")
    if len(span_id) != _SPAN_ID_DIGITS or span_id in _NO_ID:
        raise Unfit("a span id is not 8 bytes, or zero")
    if parent_id in _NO_ID:
        parent = None
    elif len(parent_id) == _SPAN_ID_DIGITS:
        parent = parent_id
    else:
        raise Unfit("a parent's span id is not 8 bytes")
    if not 0 < start <= end <= latest:
        raise Unfit("a span has no start, ends before it, or ends in the future")
    # Most spans are smaller than what any part of them may be.
    kept = attributes if size <= LONGEST_TEXT else _bounded(attributes)
    return Span(
        trace_id,
        span_id,
        parent,
        service[:LONGEST_NAME] or "unknown_service",
        name[:LONGEST_NAME],
        KINDS[kind] if 0 <= kind < len(KINDS) else KINDS[0],
        start,
        end,
        _error(status, message, kept),
        kept,
        [Link(*link) for link in links[:MOST_LINKS] if _names_a_span(*link)] if links else (),
    )


def plain(number: float) -> float | str:
    """A number as JSON can tell it, and a browser read it: text, if that is the only way."""
    if isinstance(number, int):
        return number if -EXACT_IN_JSON <= number <= EXACT_IN_JSON else str(number)
    return number if math.isfinite(number) else str(number)


def _error(status: int, message: str, attributes: Mapping[str, Any]) -> str | None:
    """What went wrong: a span fails by its status; by the conventions `error.type` says so, too."""
    kind = attributes.get("error.type")
    if status == ERROR:
        return message[:LONGEST_TEXT] or (str(kind) if kind else "error")
    return str(kind) if kind and not status else None


def _names_a_span(trace_id: str, span_id: str) -> bool:
    return len(trace_id) == _TRACE_ID_DIGITS and len(span_id) == _SPAN_ID_DIGITS


def _bounded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    left = MOST_CHARACTERS
    for key, value in attributes.items():
        bounded = _bounded_value(value)
        left -= len(key) + _size(bounded)
        if left < 0 or len(kept) == MOST_ATTRIBUTES:
            break
        kept[key] = bounded
    return kept


def _bounded_value(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, list | dict):
        text = msgspec.json.encode(value)
        # JSON is cut where it may be: in the midst of a character, too.
        return value if len(text) <= LONGEST_NESTED else text[:LONGEST_NESTED].decode(errors="ignore")
    return value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(msgspec.json.encode(value)) if isinstance(value, list | dict) else 8
