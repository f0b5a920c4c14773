"""Records spans: rows of spans and traces, what they tell of events, and what they add to the map."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cart_observability.console import bulk
from cart_observability.console.events import events
from cart_observability.console.events.event_rows import LISTED, listed
from cart_observability.console.records import Link, Span
from cart_observability.console.traces import trace_rows
from cart_observability.console.traces.edges import NO_PARENT, Tally
from cart_observability.console.traces.kin import END, FAILED, POINT, RELATIVE, Key, Kin, Relative
from cart_observability.console.traces.span_rows import COLUMNS, Row, identity, row_of, span_of
from cart_observability.console.traces.trace_rows import Trace

MOST_KIN: Final = 500
"""Kept spans of a trace up to which all are looked at when more arrive; of a larger one only the parents."""
MOST_LOOKS: Final = 20_000
"""Kept spans that are looked at for one batch; of further traces only the parents."""
MOST_LINKS: Final = 8
"""Links of a span without a parent that are followed."""

_KEEP: Final = f"INSERT INTO spans (trace, {COLUMNS})"
_ONE: Final = f"SELECT {COLUMNS} FROM spans WHERE trace = ? AND id = ?"  # noqa: S608  a constant


def record(connection: sqlite3.Connection, spans: Sequence[Span]) -> int:
    """Keep spans, and what they tell of events and of the map; one that comes again is left out.

    Ids are hexadecimal, 32 and 16 digits. Returns how many spans were new.
    """
    if not spans:
        return 0
    recording = _Recording(connection, spans)
    recording.take(spans)
    return recording.write()


class _Recording:
    """One batch that is being recorded."""

    def __init__(self, connection: sqlite3.Connection, spans: Sequence[Span]) -> None:
        self._connection = connection
        self._traces = trace_rows.known(connection, list({span.trace_id for span in spans}))
        self._ids = {trace.number: trace.id for trace in self._traces.values()}
        self._relatives = _relatives(connection, self._traces.values(), spans)
        self._tally = Tally(connection)
        (self._number,) = connection.execute("SELECT coalesce(max(number), 0) FROM traces").fetchone()
        self._arrived: dict[Key, Span] = {}
        self._rows: list[Row] = []

    def take(self, spans: Sequence[Span]) -> None:
        """Take in the spans that are not kept yet."""
        for span in spans:
            trace = self._traces.get(span.trace_id) or self._new_trace(span.trace_id)
            key = (trace.number, bytes.fromhex(span.span_id))
            if key not in self._relatives:
                self._arrived[key] = span
                self._relatives[key] = self._row(*key, span)

    def write(self) -> int:
        """Write what was taken in; how many spans that was."""
        self._count_roots()
        kin = Kin(self._arrived, self._relatives, self._tally.operation, self._kept)
        for parent, child in kin.pairs():
            self._tally.edge(parent[POINT], child[POINT], child[END], child[FAILED])
        sightings = kin.sightings()
        trace_rows.keep(self._connection, [(key[0], span) for key, span in self._arrived.items()])
        bulk.insert(self._connection, _KEEP, self._rows)
        self._tally.write()
        events.sight(self._connection, sightings)
        return len(self._rows)

    def _new_trace(self, trace_id: str) -> Trace:
        self._number += 1
        trace = self._traces[trace_id] = Trace(self._number, trace_id, 0)
        return trace

    def _row(self, trace: int, span_id: bytes, span: Span) -> Relative:
        parent = identity(span.parent_id)
        point, failed = self._tally.number_of(span), int(span.error is not None)
        self._rows.append(row_of(trace, span, span_id, parent, point))
        self._tally.seen(point, span.end, failed)
        return trace, span_id, parent, point, span.end, failed

    def _count_roots(self) -> None:
        """Spans without a parent come from what a consumer's links name, where that is known, else from nowhere."""
        for key, span in self._arrived.items():
            if span.parent_id is None:
                _, _, _, point, end, failed = self._relatives[key]
                for source in self._linked(span) or [NO_PARENT]:
                    self._tally.edge(source, point, end, failed)

    def _linked(self, span: Span) -> list[int]:
        links = span.links[:MOST_LINKS] if span.kind == "consumer" else ()
        causes = [self._cause(link) for link in links]
        return [self._tally.number_of(cause) for cause in causes if cause is not None]

    def _cause(self, link: Link) -> Span | None:
        trace = self._traces.get(link.trace_id)
        if trace is None:
            trace = trace_rows.known(self._connection, [link.trace_id]).get(link.trace_id)
        if trace is None:
            return None
        key = (trace.number, bytes.fromhex(link.span_id))
        return self._arrived.get(key) or self._read(key, link.trace_id)

    def _kept(self, key: Key) -> Span | None:
        return self._read(key, self._ids[key[0]])

    def _read(self, key: Key, trace_id: str) -> Span | None:
        row: Row | None = self._connection.execute(_ONE, key).fetchone()
        return None if row is None else span_of(trace_id, row)


def _relatives(connection: sqlite3.Connection, traces: Iterable[Trace], spans: Sequence[Span]) -> dict[Key, Relative]:
    """What is kept of the traces of a batch, as far as it is looked at."""
    whole: list[int] = []
    large: dict[str, int] = {}
    looks = 0
    for trace in traces:
        if trace.spans <= MOST_KIN and looks + trace.spans <= MOST_LOOKS:
            looks += trace.spans
            whole.append(trace.number)
        else:
            large[trace.id] = trace.number
    query = f"SELECT {RELATIVE} FROM spans WHERE trace IN {LISTED}"  # noqa: S608  constants
    found: dict[Key, Relative] = {(row[0], row[1]): row for row in connection.execute(query, (listed(whole),))}
    return found | _nearest(connection, large, spans) if large else found


def _nearest(connection: sqlite3.Connection, large: Mapping[str, int], spans: Sequence[Span]) -> dict[Key, Relative]:
    """Of large traces: those that have arrived before, and parents."""
    keys = {
        (number, identity(span_id))
        for span in spans
        for span_id in (span.span_id, span.parent_id)
        if (number := large.get(span.trace_id)) is not None and span_id is not None
    }
    query = f"SELECT {RELATIVE} FROM spans WHERE trace = ? AND id = ?"  # noqa: S608  a constant
    rows: list[Relative | None] = [connection.execute(query, key).fetchone() for key in keys]
    return {(row[0], row[1]): row for row in rows if row is not None}
