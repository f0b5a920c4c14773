"""What was seen to lead to what: points that spans stand for, and edges from a point to what it brought about.

A point is what spans of one sort have in common, and has few values however many spans there are:

    service      `service.name`
    kind         of the span: internal, server, client, producer, consumer
    system       what it talks to or by: `messaging.system`, `db.system`, `rpc.system`, else http, else ""
    operation    of messaging: create, send, receive, process, settle; else ""
    destination  `messaging.destination.name`; of a client that is not about messages the server's address; else ""
    queue        of a process span: the queue (of a RabbitMQ destination the part in its name, or the last); else ""
    handler      of a process span its handler (see `sightings.handler_of`), of others `cartscope.handler`; else ""

An edge leads from the point of a span's parent to the span's own, from None for a span without a parent. It is counted
once both ends are known, in whatever order they come. A span that has no parent but names other spans in its links, as
one that processes a message may, comes from those. What is counted are spans that were kept: all of them, or those that
a sampler let through. Counts rise for as long as the edge is seen; one that is not for long is forgotten.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from cart_observability.console import bulk
from cart_observability.console.events.sightings import HANDLER, PROCESS, handler_of, operation_of
from cart_observability.console.records import Span

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS points (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    point TEXT NOT NULL UNIQUE,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS edges (
    source INTEGER NOT NULL,
    target INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (source, target)
) WITHOUT ROWID;
"""
MOST_POINTS: Final = 500
MOST_EDGES: Final = 2_000
"""Kept; of more, the ones that were seen least lately are forgotten."""
NO_PARENT: Final = 0
"""Stands for the source of an edge to a span without a parent."""

Key = TypeVar("Key", int, tuple[int, int])

_KNOWN_EDGE: Final = """
ON CONFLICT DO UPDATE SET
    spans = spans + excluded.spans, errors = errors + excluded.errors, last = max(last, excluded.last)
"""
_LONGEST: Final = 200
_PARTS: Final = 3
"""Of a whole RabbitMQ destination: exchange, routing key, queue."""
_SYSTEMS: Final = ("messaging.system", "db.system.name", "db.system", "rpc.system.name", "rpc.system")
_METHODS: Final = ("http.request.method", "http.method")
_DESTINATIONS: Final = ("messaging.destination.name", "messaging.destination")
_SERVERS: Final = ("server.address", "peer.service", "net.peer.name")
_TELLING: Final = ("messaging.destination.name", HANDLER, "server.address", "http.request.method")
"""What may differ between spans of one name, kind and service, and makes another point of them."""


class Point(NamedTuple):
    """What spans of one sort have in common; see the module."""

    service: str
    kind: str
    system: str
    operation: str
    destination: str
    queue: str
    handler: str


class Edge(NamedTuple):
    """What was seen to lead from one point to another: `errors` of its `spans` failed; `last` in ns."""

    source: Point | None
    target: Point
    spans: int
    errors: int
    last: int


class Seen(NamedTuple):
    """How often a point was seen at all, wherever it came from; `last` in ns."""

    point: Point
    spans: int
    errors: int
    last: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Point).decode


def point_of(span: Span) -> Point:
    """What a span has in common with others of its sort."""
    attributes = span.attributes
    operation = operation_of(span)
    if operation is None:
        system = _text(attributes, _SYSTEMS) or ("http" if _text(attributes, _METHODS) else "")
        server = _text(attributes, _SERVERS) if span.kind == "client" else ""
        return Point(span.service[:_LONGEST], span.kind, system, "", server, "", _text(attributes, (HANDLER,)))
    destination = _text(attributes, _DESTINATIONS)
    is_processing = operation == PROCESS
    return Point(
        span.service[:_LONGEST],
        span.kind,
        _text(attributes, _SYSTEMS),
        operation[:_LONGEST],
        destination,
        _queue(span.name, destination) if is_processing else "",
        handler_of(span) if is_processing else _text(attributes, (HANDLER,)),
    )


class Tally:
    """What a batch of spans adds to the map.

    Args:
        connection: That writes.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[object, ...], int] = {}
        self._operations: dict[int, str | None] = {}
        self._seen: dict[int, list[int]] = {}
        self._edges: dict[tuple[int, int], list[int]] = {}

    def number_of(self, span: Span) -> int:
        """Of a span's point, new or known; the span is kept with it."""
        get = span.attributes.get
        # To make the point of each span would cost more than all else that is done for the map.
        sort = (span.name, span.service, span.kind, *map(get, _TELLING))
        try:
            number = self._numbers.get(sort)
        except TypeError:
            return self._number(point_of(span))  # a list among them: nobody's convention
        if number is None:
            number = self._numbers[sort] = self._number(point_of(span))
        return number

    def operation(self, number: int) -> str | None:
        """What spans of a point do with messages; None of one that was forgotten."""
        if number not in self._operations:
            row = self._connection.execute("SELECT point FROM points WHERE number = ?", (number,)).fetchone()
            self._operations[number] = None if row is None else _decode(row[0]).operation
        return self._operations[number]

    def seen(self, number: int, end: int, failed: int) -> None:
        """A span of a point was seen, which ended then (ns)."""
        _count(self._seen, number, end, failed)

    def edge(self, source: int, target: int, end: int, failed: int) -> None:
        """A span of the target was seen to come from one of the source, or from `NO_PARENT`."""
        _count(self._edges, (source, target), end, failed)

    def write(self) -> None:
        """Add it to what is kept."""
        changes = "spans = spans + ?, errors = errors + ?, last = max(last, ?)"
        seen = [(*counts, number) for number, counts in self._seen.items()]
        self._connection.executemany(f"UPDATE points SET {changes} WHERE number = ?", seen)  # noqa: S608  a constant
        edges = [(*ends, *counts) for ends, counts in self._edges.items()]
        bulk.insert(self._connection, "INSERT INTO edges", edges, _KNOWN_EDGE)
        _forget_some(self._connection)

    def _number(self, point: Point) -> int:
        text = _encode(point).decode()
        number = self._kept_number(text)
        self._operations[number] = point.operation
        return number

    def _kept_number(self, text: str) -> int:
        row = self._connection.execute("SELECT number FROM points WHERE point = ?", (text,)).fetchone()
        if row is None:
            inserted = self._connection.execute("INSERT INTO points VALUES (NULL, ?, 0, 0, 0)", (text,))
            return int(inserted.lastrowid or 0)
        return int(row[0])


def edges(connection: sqlite3.Connection, since: int = 0) -> list[Edge]:
    """The edges that were seen at a time (ns) or later."""
    query = """
        SELECT sources.point, targets.point, edges.spans, edges.errors, edges.last
        FROM edges
        JOIN points AS targets ON targets.number = target
        LEFT JOIN points AS sources ON sources.number = source
        WHERE edges.last >= ? AND (source = ? OR sources.number IS NOT NULL)
    """
    return [
        Edge(None if source is None else _decode(source), _decode(target), *counts)
        for source, target, *counts in connection.execute(query, (since, NO_PARENT))
    ]


def points(connection: sqlite3.Connection, since: int = 0) -> list[Seen]:
    """The points that were seen at a time (ns) or later: the ends of edges, and those whose parents were never kept."""
    query = "SELECT point, spans, errors, last FROM points WHERE last >= ?"
    return [Seen(_decode(point), *counts) for point, *counts in connection.execute(query, (since,))]


def points_of(connection: sqlite3.Connection, service: str) -> list[int]:
    """The numbers of a service's points, by which its spans are kept."""
    rows = connection.execute("SELECT number, point FROM points")
    return [number for number, point in rows if _decode(point).service == service[:_LONGEST]]


def forget_before(connection: sqlite3.Connection, time: int) -> None:
    """Forget edges and points that were not seen since a time (ns)."""
    connection.execute("DELETE FROM edges WHERE last < ?", (time,))
    connection.execute("DELETE FROM points WHERE last < ?", (time,))


def _count(counts: dict[Key, list[int]], key: Key, end: int, failed: int) -> None:
    known = counts.get(key)
    if known is None:
        counts[key] = [1, failed, end]
    else:
        known[0] += 1
        known[1] += failed
        known[2] = max(known[2], end)


def _forget_some(connection: sqlite3.Connection) -> None:
    for table, key, most in (("points", "number", MOST_POINTS), ("edges", "(source, target)", MOST_EDGES)):
        columns = key.strip("()")
        (kept,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  constants of this module
        if kept > most:
            some = f"SELECT {columns} FROM {table} ORDER BY last LIMIT ?"  # noqa: S608  as above
            connection.execute(f"DELETE FROM {table} WHERE {key} IN ({some})", (kept - most,))  # noqa: S608  as above


def _queue(name: str, destination: str) -> str:
    """The queue among the parts of a destination: the last, or where like parts stand once the one in the name."""
    parts, named = destination.split(":"), name.partition(" ")[2]
    return named if len(parts) < _PARTS and named in parts else parts[-1]


def _text(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value[:_LONGEST]
    return ""
