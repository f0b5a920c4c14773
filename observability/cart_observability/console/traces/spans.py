"""Spans, kept by trace: recorded in batches, given back as traces, and what they tell of events and of the map.

Traces are numbered as they arrive: what is written together lies together, and the oldest are forgotten without a
search.
"""

import sqlite3
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from cart_observability.console.events.event_rows import LISTED, listed
from cart_observability.console.records import Span
from cart_observability.console.traces import edges as map_edges
from cart_observability.console.traces import trace_rows
from cart_observability.console.traces.edges import Edge, Point, Seen, edges, points
from cart_observability.console.traces.span_recording import record
from cart_observability.console.traces.span_rows import COLUMNS, identity, span_of
from cart_observability.console.traces.waterfall import waterfall

__all__ = (
    "SCHEMA",
    "Edge",
    "Point",
    "Seen",
    "edges",
    "find_span",
    "oldest",
    "points",
    "prune",
    "prune_before",
    "record",
    "spans_of",
    "trace",
    "traces",
)

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS traces (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    root INTEGER NOT NULL,
    name TEXT NOT NULL,
    service TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS traces_in_time ON traces (start, end, errors);
CREATE TABLE IF NOT EXISTS spans (
    trace INTEGER NOT NULL,
    id BLOB NOT NULL,
    parent BLOB,
    point INTEGER NOT NULL,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    error TEXT,
    attributes TEXT NOT NULL,
    links TEXT
);
CREATE INDEX IF NOT EXISTS spans_of_traces ON spans (trace, id, parent, point, end, failed);
{map_edges.SCHEMA}
"""

MOST_SHOWN: Final = 2_000
"""Spans of one trace that are given back: its first ones."""

_MOST_READ: Final = 20_000
_MOST_TRACES_SEARCHED: Final = 20_000
_OLDEST_FIRST: Final = "SELECT number, spans FROM traces ORDER BY number LIMIT ?"


def spans_of(connection: sqlite3.Connection, trace_id: str) -> list[Span]:
    """The first spans of a trace, by their starts; none of an unknown one."""
    known = trace_rows.known(connection, [trace_id]).get(trace_id)
    if known is None:
        return []
    some = f"SELECT * FROM (SELECT {COLUMNS} FROM spans WHERE trace = ? LIMIT ?) ORDER BY start LIMIT ?"  # noqa: S608
    rows = connection.execute(some, (known.number, _MOST_READ, MOST_SHOWN))
    return [span_of(trace_id, row) for row in rows]


def trace(connection: sqlite3.Connection, trace_id: str) -> dict[str, Any] | None:
    """A trace as the HTTP API shows it; None for an unknown one. `left_out` says how many spans are not shown."""
    row = trace_rows.one(connection, trace_id)
    if row is None:
        return None
    shown = trace_rows.shown(connection, row)
    spans = spans_of(connection, shown["trace_id"])
    return {
        "trace_id": shown["trace_id"],
        "start": shown["start"],
        "duration_ms": shown["duration_ms"],
        "spans": waterfall(spans),
        # More may have come between the two looks.
        "left_out": max(0, shown["spans"] - len(spans)),
    }


def traces(
    connection: sqlite3.Connection,
    start: int | None = None,
    end: int | None = None,
    service: str | None = None,
    errors: bool = False,  # noqa: FBT001, FBT002  as the HTTP API has it
    shortest: int | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Traces as the HTTP API shows them, the one that began last first.

    Args:
        connection: That reads.
        start: Begun then or later; ns since the epoch.
        end: Begun then or earlier; ns since the epoch.
        service: With a span of this service; looked for among the latest ones only.
        errors: Only with a span that failed.
        shortest: That lasted so long or longer, in ns.
        limit: Most traces.
    """
    conditions = {
        "start >= ?": start,
        "start <= ?": end,
        "end - start >= ?": shortest,
        "errors >= ?": 1 if errors else None,
    }
    asked = {text: value for text, value in conditions.items() if value is not None}
    where = " AND ".join(asked) or "TRUE"
    query = f"SELECT {trace_rows.COLUMNS} FROM traces WHERE {where} ORDER BY start DESC LIMIT ?"  # noqa: S608
    parameters: list[Any] = list(asked.values())
    if service is not None:
        its_points = map_edges.points_of(connection, service)
        if not its_points:
            return []
        has_one = f"EXISTS (SELECT 1 FROM spans WHERE trace = number AND point IN {LISTED})"  # noqa: S608  a constant
        query = f"SELECT * FROM ({query}) WHERE {has_one} LIMIT ?"  # noqa: S608  constants
        parameters += [_MOST_TRACES_SEARCHED, listed(its_points)]
    return [trace_rows.shown(connection, row) for row in connection.execute(query, [*parameters, limit]).fetchall()]


def find_span(connection: sqlite3.Connection, span_id: str) -> str | None:
    """The id of the trace to which a span of one of the latest traces belongs; None if none does."""
    query = """
        SELECT latest.id FROM (SELECT number, id FROM traces ORDER BY number DESC LIMIT ?) AS latest
        CROSS JOIN spans ON spans.trace = latest.number AND spans.id = ? LIMIT 1
    """
    row = connection.execute(query, (_MOST_TRACES_SEARCHED, identity(span_id))).fetchone()
    return None if row is None else str(row[0].hex())


def oldest(connection: sqlite3.Connection) -> int | None:
    """When the oldest kept trace began; None without traces."""
    row = connection.execute("SELECT start FROM traces ORDER BY number LIMIT 1").fetchone()
    return row[0] if row else None


def prune(connection: sqlite3.Connection, rows: int) -> int:
    """Forget at most so many of the oldest spans: whole traces, unless one is larger. The number forgotten."""
    return _forget(connection, connection.execute(_OLDEST_FIRST, (rows,)).fetchall(), rows)


def prune_before(connection: sqlite3.Connection, time: int, rows: int) -> int:
    """The same of traces that ended before a time (ns), and what the map knows of no later time.

    A trace that goes on for longer than those that began after it is passed over, not waited for.
    """
    map_edges.forget_before(connection, time)
    over = "SELECT number, spans FROM (SELECT number, spans, end FROM traces ORDER BY number LIMIT ?) WHERE end < ?"
    return _forget(connection, connection.execute(over, (rows, time)).fetchall(), rows)


def _forget(connection: sqlite3.Connection, traces: Sequence[tuple[int, int]], rows: int) -> int:
    """Forget the first of some traces, given by their numbers and how many spans they have."""
    sums = accumulate(spans for _, spans in traces)
    whole = [number for (number, _), sum_ in zip(traces, sums, strict=True) if sum_ <= rows]
    if not whole and traces:
        return _thin_out(connection, traces[0][0], rows)
    forgotten = listed(whole)
    connection.execute(f"DELETE FROM traces WHERE number IN {LISTED}", (forgotten,))  # noqa: S608  a constant
    return connection.execute(f"DELETE FROM spans WHERE trace IN {LISTED}", (forgotten,)).rowcount  # noqa: S608


def _thin_out(connection: sqlite3.Connection, number: int, rows: int) -> int:
    some = "SELECT id FROM spans WHERE trace = ? LIMIT ?"
    delete = f"DELETE FROM spans WHERE trace = ? AND id IN ({some})"  # noqa: S608  a constant
    forgotten = connection.execute(delete, (number, number, rows)).rowcount
    connection.execute("UPDATE traces SET spans = spans - ? WHERE number = ?", (forgotten, number))
    return forgotten
