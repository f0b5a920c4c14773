"""Everything known of one event, told in the order in which it happened; and where an id leads."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from cart_observability.console.events import events
from cart_observability.console.events.event_rows import NS_A_MILLISECOND, milliseconds
from cart_observability.console.events.step import Step
from cart_observability.console.events.steps import own_spans, steps
from cart_observability.console.logs import lines
from cart_observability.console.logs.conditions import Condition, Is
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.records import Line, Span
from cart_observability.console.traces import spans

MOST_LINES: Final = 300
"""Of the event, and as many of its trace."""
MOST_NAMED: Final = 50
"""Lines with an id that are looked at for the event that they are about."""
LONGEST_ID: Final = 256

EVENT: Final = "cartscope.event.id"
TRACE: Final = "trace.id"
MAIL: Final = "email.message_id"
TRACE_DIGITS: Final = 32
SPAN_DIGITS: Final = 16
_DIGITS: Final = frozenset("0123456789abcdef")
_PARTS_OF_TRACEPARENT: Final = 4

Answer = dict[str, Any]
"""As the HTTP API gives it."""


def story(connection: sqlite3.Connection, event_id: str) -> Answer | None:
    """The story of an event as the HTTP API gives it, without its content; None for an event that is not known.

    What spans show and what lines tell are one: a trace that was not sampled is told by its lines alone.
    """
    event_id = _storable(event_id)
    with lines.snapshot(connection):
        event = events.get(connection, event_id)
        if event is None:
            return None
        trace_id = event["trace_id"]
        told = _told(connection, event_id, trace_id)
        shown = spans.spans_of(connection, trace_id) if trace_id else []
        return {
            "event": event,
            "steps": [_step(step) for step in steps(event_id, shown, _about(event_id, shown, told))],
            "follow_ups": events.follow_ups(connection, event_id) or _supposed(connection, event_id, told),
            "trace": spans.trace(connection, trace_id) if trace_id else None,
            "lines": told,
        }


def find(connection: sqlite3.Connection, text: str) -> Answer:
    """Where an id leads, as the HTTP API gives it.

    Args:
        connection: Any.
        text: The id of an event, trace or span, a `traceparent`, the Message-ID of an e-mail, or what events are about.
    """
    text = _storable(text.strip()[:LONGEST_ID])
    with lines.snapshot(connection):
        return (
            _event(connection, text)
            or _trace(connection, text)
            or _span(connection, text)
            or _mail(connection, text)
            or _subject(connection, text)
            or {"kind": "none", "address": None}
        )


def _told(connection: sqlite3.Connection, event_id: str, trace_id: str | None) -> list[Answer]:
    """The lines of an event and of its trace, oldest first: the latest of each where there are too many."""
    conditions = [Is(EVENT, event_id), *([Is(TRACE, trace_id)] if trace_id else [])]
    found = {line["id"]: line for condition in conditions for line in _lines(connection, condition)}
    return sorted(found.values(), key=lambda line: (line["time"], line["id"]))


def _lines(connection: sqlite3.Connection, condition: Condition, limit: int = MOST_LINES) -> list[Answer]:
    found: list[Answer] = lines.search(connection, condition, FIRST, LAST, limit=limit)["lines"]
    return found


def _about(event_id: str, shown: Sequence[Span], told: Iterable[Answer]) -> list[Line]:
    """The lines about the event itself: those that name it, and those from within its spans that name none."""
    own = own_spans(event_id, shown)
    return [
        _line(line) for line in told if line["fields"].get(EVENT, event_id if _is_from(line, own) else None) == event_id
    ]


def _is_from(line: Answer, own: set[str]) -> bool:
    span_id = line["fields"].get("span.id")
    return isinstance(span_id, str) and span_id in own


def _line(line: Mapping[str, Any]) -> Line:
    return Line(
        round(line["time"] * NS_A_MILLISECOND),
        line["level"],
        line["service"],
        line["action"],
        line["message"],
        line["fields"],
    )


def _supposed(connection: sqlite3.Connection, event_id: str, told: Iterable[Answer]) -> list[Answer]:
    """Follow-ups of which no span tells whose they are: all in the trace that was not born in it, if one alone was."""
    named: dict[str, bool] = {}
    for line in told:
        sighting = events.of_line(_line(line))
        if sighting is not None:
            named[sighting.event_id] = named.get(sighting.event_id, False) or sighting.is_birth
    if [event_id] != [other for other, is_born in named.items() if is_born]:
        return []
    found = [event for other in named if other != event_id and (event := events.get(connection, other))]
    return [{**event, "cause": event_id} for event in found if event["cause"] is None]


def _step(step: Step) -> Answer:
    return {
        "time": step.time / NS_A_MILLISECOND,
        "duration_ms": milliseconds(step.duration),
        "waited_ms": milliseconds(step.waited),
        "kind": step.kind,
        "title": step.title,
        "service": step.service,
        "handler": step.handler,
        "attempt": step.attempt,
        "outcome": step.outcome,
        "error": step.error,
        "span_id": step.span_id,
    }


def _event(connection: sqlite3.Connection, text: str) -> Answer | None:
    return _to_event("event", text) if events.get(connection, text) else None


def _trace(connection: sqlite3.Connection, text: str) -> Answer | None:
    parts = text.lower().split("-")
    trace_id = parts[1] if len(parts) == _PARTS_OF_TRACEPARENT else text.lower()
    if not _is_hexadecimal(trace_id, TRACE_DIGITS):
        return None
    if spans.spans_of(connection, trace_id):
        return {"kind": "trace", "address": f"#/traces/{trace_id}"}
    # A trace that was not sampled has its lines alone.
    return _named_by(connection, "trace", Is(TRACE, trace_id))


def _span(connection: sqlite3.Connection, text: str) -> Answer | None:
    span_id = text.lower()
    if not _is_hexadecimal(span_id, SPAN_DIGITS):
        return None
    trace_id = spans.find_span(connection, span_id)
    if trace_id is not None:
        return {"kind": "span", "address": f"#/traces/{trace_id}?span={span_id}"}
    return _named_by(connection, "span", Is("span.id", span_id))


def _mail(connection: sqlite3.Connection, text: str) -> Answer | None:
    if "@" not in text:
        return None
    bare = text.removeprefix("<").removesuffix(">")
    return _named_by(connection, "event", Is(MAIL, f"<{bare}>")) or _named_by(connection, "event", Is(MAIL, bare))


def _subject(connection: sqlite3.Connection, text: str) -> Answer | None:
    if connection.execute("SELECT 1 FROM events WHERE subject = ? LIMIT 1", (text,)).fetchone() is None:
        return None
    return {"kind": "subject", "address": f"#/events?subject={quote(text, safe='')}"}


def _named_by(connection: sqlite3.Connection, kind: str, condition: Is) -> Answer | None:
    """The event that a line names; the earliest of the trace, from which the others follow."""
    for line in sorted(_lines(connection, condition, MOST_NAMED), key=lambda line: float(line["time"])):
        sighting = events.of_line(_line(line))
        if sighting is not None and events.get(connection, sighting.event_id):
            return _to_event(kind, sighting.event_id)
    return None


def _to_event(kind: str, event_id: str) -> Answer:
    return {"kind": kind, "address": f"#/events/{quote(event_id, safe='')}"}


def _is_hexadecimal(text: str, digits: int) -> bool:
    return len(text) == digits and _DIGITS.issuperset(text)


def _storable(text: str) -> str:
    """A text without what SQLite does not take: half a character, as an address may have it."""
    return text.encode(errors="replace").decode()
