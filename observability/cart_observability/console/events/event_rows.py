"""Rows of events, as the HTTP API shows them."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cart_observability.console.events.sightings import CONFIRMED, SENT

COLUMNS: Final = "number, id, revision, time, last, type, subject, cause, trace_rank, trace_id, answer, answered"
LISTED: Final = "(SELECT value FROM json_each(?))"
"""The values of one parameter, which `listed` makes."""
NS_A_MILLISECOND: Final = 1e6

Event = dict[str, Any]
"""An event as the HTTP API shows it; times in milliseconds since the epoch."""

_encode: Final = msgspec.json.Encoder().encode


def listed(values: Sequence[str | int]) -> str:
    """Values as one parameter for `LISTED`."""
    return _encode(values).decode()


def shown(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> list[Event]:
    """Rows of `COLUMNS` with what became of the events in each handler, the first to be heard of first."""
    events = {row[0]: _shown(row) for row in rows}
    query = f"""
        SELECT event, handler, outcome, attempts, time, duration, error FROM handlings WHERE event IN {LISTED}
        ORDER BY event, time
    """  # noqa: S608  a constant
    for number, handler, outcome, attempts, time, duration, error in connection.execute(query, (listed(list(events)),)):
        events[number]["handlings"].append(
            {
                "handler": handler,
                "outcome": outcome,
                "attempts": attempts,
                "time": time / NS_A_MILLISECOND,
                "duration_ms": milliseconds(duration),
                "error": error,
            }
        )
    return list(events.values())


def milliseconds(nanoseconds: int | None) -> float | None:
    """Of nanoseconds; None of none."""
    return None if nanoseconds is None else nanoseconds / NS_A_MILLISECOND


def _shown(row: Sequence[Any]) -> Event:
    _, event_id, revision, time, last, type_, subject, cause, _, trace_id, answer, answered = row
    return {
        "id": event_id,
        "revision": revision,
        "type": type_,
        "subject": subject,
        "time": time / NS_A_MILLISECOND,
        "last": last / NS_A_MILLISECOND,
        "trace_id": trace_id,
        "cause": cause,
        "published": milliseconds(answered) if answer in {CONFIRMED, SENT} else None,
        "answer": answer,
        "handlings": [],
    }
