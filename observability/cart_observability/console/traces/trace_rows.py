"""Rows of traces: what a list of traces shows of each, kept up as its spans arrive."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from cart_observability.console import bulk
from cart_observability.console.events.event_rows import NS_A_MILLISECOND
from cart_observability.console.records import Span
from cart_observability.console.traces.span_rows import identity

COLUMNS: Final = "number, id, start, end, spans, errors, root, name, service"

_START, _END, _SPANS, _ERRORS, _ROOT = 2, 3, 4, 5, 6
_AT_ONCE: Final = 500
_MOST_SPANS: Final = 2_000
_NO_ROOT: Final = 1 << 63
_KEEP: Final = f"INSERT INTO traces ({COLUMNS})"
_KNOWN: Final = """
ON CONFLICT (number) DO UPDATE SET
    start = min(start, excluded.start), end = max(end, excluded.end),
    spans = spans + excluded.spans, errors = errors + excluded.errors,
    name = iif(excluded.root < root, excluded.name, name),
    service = iif(excluded.root < root, excluded.service, service),
    root = min(root, excluded.root)
"""

Row = Sequence[Any]
"""The values of `COLUMNS`; the lower `root` is, the nearer to its root is the span by which the trace is called."""


class Trace(NamedTuple):
    """A trace that is kept: the number of its rows, its id, and how many spans it has."""

    number: int
    id: str
    spans: int


def known(connection: sqlite3.Connection, trace_ids: Sequence[str]) -> dict[str, Trace]:
    """The traces among these that are kept, by id."""
    traces: dict[str, Trace] = {}
    for start in range(0, len(trace_ids), _AT_ONCE):
        some = {identity(trace_id): trace_id for trace_id in trace_ids[start : start + _AT_ONCE]}
        places = ", ".join("?" * len(some))
        query = f"SELECT number, id, spans FROM traces WHERE id IN ({places})"  # noqa: S608  constants and places
        for number, trace_id, spans in connection.execute(query, list(some)):
            traces[some[trace_id]] = Trace(number, some[trace_id], spans)
    return traces


def one(connection: sqlite3.Connection, trace_id: str) -> Row | None:
    """The row of a trace; None for one that is not kept, and for what is no id of a trace."""
    query = f"SELECT {COLUMNS} FROM traces WHERE id = ?"  # noqa: S608  constants
    row: Row | None = connection.execute(query, (identity(trace_id),)).fetchone()
    return row


def keep(connection: sqlite3.Connection, spans: Iterable[tuple[int, Span]]) -> None:
    """Add spans to their traces, new and known ones, which are given by their numbers."""
    summaries: dict[int, list[Any]] = {}
    for number, span in spans:
        summary = summaries.get(number)
        if summary is None:
            failed = int(span.error is not None)
            identity_, root = identity(span.trace_id), _root(span)
            summaries[number] = [number, identity_, span.start, span.end, 1, failed, root, span.name, span.service]
        else:
            _add(summary, span)
    bulk.insert(connection, _KEEP, list(summaries.values()), _KNOWN)


def shown(connection: sqlite3.Connection, row: Row) -> dict[str, Any]:
    """A trace as the HTTP API shows it; times in milliseconds since the epoch."""
    number, trace_id, start, end, spans, errors, _, name, service = row
    some = "SELECT service FROM spans WHERE trace = ? LIMIT ?"
    services = connection.execute(f"SELECT DISTINCT service FROM ({some}) ORDER BY 1", (number, _MOST_SPANS))  # noqa: S608
    return {
        "trace_id": trace_id.hex(),
        "name": name,
        "service": service,
        "start": start / NS_A_MILLISECOND,
        "duration_ms": (end - start) / NS_A_MILLISECOND,
        "spans": spans,
        "error": errors > 0,
        "services": [service for (service,) in services],
    }


def _add(summary: list[Any], span: Span) -> None:
    summary[_START] = min(summary[_START], span.start)
    summary[_END] = max(summary[_END], span.end)
    summary[_SPANS] += 1
    summary[_ERRORS] += span.error is not None
    root = _root(span)
    if root < summary[_ROOT]:
        summary[_ROOT:] = root, span.name, span.service


def _root(span: Span) -> int:
    return span.start if span.parent_id is not None else span.start - _NO_ROOT
