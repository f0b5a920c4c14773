"""Events: one row for each, and one for each handler of it, kept up to date by what lines and spans tell.

`revision` rises with every change of an event, so that who has seen revision n asks for what came after n.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cart_observability.console import bulk
from cart_observability.console.events import fates
from cart_observability.console.events.event_rows import COLUMNS, LISTED, Event, listed, shown
from cart_observability.console.events.event_search import BLOCK, Filters, find
from cart_observability.console.events.sightings import of_line, of_span
from cart_observability.console.records import Sighting

__all__ = (
    "SCHEMA",
    "Event",
    "Filters",
    "find",
    "follow_ups",
    "get",
    "newest",
    "of_line",
    "of_span",
    "oldest",
    "prune",
    "prune_before",
    "sight",
)

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    time INTEGER NOT NULL,
    last INTEGER NOT NULL,
    type TEXT,
    subject TEXT,
    cause TEXT,
    trace_rank INTEGER,
    trace_id TEXT,
    answer TEXT,
    answered INTEGER
);
CREATE INDEX IF NOT EXISTS events_in_time ON events (revision, time, last);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, revision);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject, revision) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_cause ON events (cause) WHERE cause IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_answer ON events (answer, revision) WHERE answer <> 'confirmed';
CREATE TABLE IF NOT EXISTS handlings (
    event INTEGER NOT NULL,
    handler TEXT NOT NULL,
    revision INTEGER NOT NULL,
    outcome TEXT,
    attempts INTEGER NOT NULL,
    time INTEGER NOT NULL,
    duration INTEGER,
    error TEXT,
    PRIMARY KEY (event, handler)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS handlings_in_order ON handlings (handler, outcome, revision);
CREATE TABLE IF NOT EXISTS event_blocks (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS event_revisions (newest INTEGER NOT NULL);
INSERT INTO event_revisions SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM event_revisions);
"""

_KEEP_EVENT: Final = f"INSERT INTO events ({COLUMNS})"
_KNOWN_EVENT: Final = """
ON CONFLICT (number) DO UPDATE SET revision = excluded.revision, time = excluded.time, last = excluded.last,
    type = excluded.type, subject = excluded.subject, cause = excluded.cause, trace_rank = excluded.trace_rank,
    trace_id = excluded.trace_id, answer = excluded.answer, answered = excluded.answered
"""
_KEEP_BLOCK: Final = "INSERT INTO event_blocks"
_KNOWN_BLOCK: Final = """
ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)
"""
_KEEP_HANDLING: Final = "INSERT OR REPLACE INTO handlings"
_MOST_FOLLOW_UPS: Final = 500

_Known = tuple[int, fates.Event, dict[str, fates.Handling]]
"""An event's number, what is known of it, and of its handlings by handler."""
_Change = tuple[int | None, str, fates.Event, dict[str, fates.Handling]]
"""The same of what became of it, with its id; an event that was not known has no number."""


def sight(connection: sqlite3.Connection, sightings: Iterable[Sighting]) -> int:
    """Take in what lines and spans tell, in whatever order and however often; the number of events that it changed."""
    told: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        told.setdefault(sighting.event_id, []).append(sighting)
    if not told:
        return 0
    known = _known(connection, list(told))
    changes = [
        change for event_id, tellings in told.items() if (change := _change(event_id, known.get(event_id), tellings))
    ]
    _keep(connection, changes)
    return len(changes)


def newest(connection: sqlite3.Connection) -> int:
    """The revision of the latest change; 0 before the first."""
    return _number(connection, "SELECT newest FROM event_revisions")


def oldest(connection: sqlite3.Connection) -> int | None:
    """When the oldest kept event was first heard of; None without events."""
    row = connection.execute("SELECT time FROM events ORDER BY number LIMIT 1").fetchone()
    return row[0] if row else None


def prune(connection: sqlite3.Connection, rows: int) -> int:
    """Forget so many of the oldest events, or all; the number forgotten."""
    return _forget(connection, "SELECT number FROM events ORDER BY number LIMIT ?", (rows,))


def prune_before(connection: sqlite3.Connection, time: int, rows: int) -> int:
    """Forget those of so many of the oldest events that were last heard of before a time; the number forgotten."""
    oldest_first = "SELECT number, last FROM events ORDER BY number LIMIT ?"
    return _forget(connection, f"SELECT number FROM ({oldest_first}) WHERE last < ?", (rows, time))  # noqa: S608


def get(connection: sqlite3.Connection, event_id: str) -> Event | None:
    """One event; None for one that is not known."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchall()  # noqa: S608
    return shown(connection, rows)[0] if rows else None


def follow_ups(connection: sqlite3.Connection, event_id: str) -> list[Event]:
    """What an event caused, and what that caused in turn, oldest first; `cause` says what by what."""
    query = f"""
        WITH RECURSIVE tree (id) AS (
            SELECT ? UNION SELECT events.id FROM tree JOIN events ON events.cause = tree.id LIMIT {_MOST_FOLLOW_UPS + 1}
        )
        SELECT {COLUMNS} FROM tree JOIN events USING (id) WHERE id <> ? ORDER BY time
    """  # noqa: S608  constants of this module
    return shown(connection, connection.execute(query, (event_id, event_id)).fetchall())


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, _Known]:
    """What is known of events, by id."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM events WHERE id IN {LISTED}", (listed(ids),))  # noqa: S608
    known: dict[str, _Known] = {row[1]: (row[0], row[3:], {}) for row in rows}
    handlings = {number: told for number, _, told in known.values()}
    query = f"SELECT event, handler, outcome, attempts, time, duration, error FROM handlings WHERE event IN {LISTED}"  # noqa: S608
    for row in connection.execute(query, (listed(list(handlings)),)):
        handlings[row[0]][row[1]] = row[2:]
    return known


def _change(event_id: str, known: _Known | None, sightings: Sequence[Sighting]) -> _Change | None:
    """What is to be written after sightings of one event; None if they tell nothing new."""
    number, event, handlings = known or (None, None, {})
    now: fates.Event | None = event
    told: dict[str, fates.Handling] = {}
    for sighting in sightings:
        now = fates.event(now, sighting)
        handler = sighting.handler
        if handler is not None:
            told[handler] = fates.handling(told.get(handler) or handlings.get(handler), sighting)
    if now is None or (now == event and told.items() <= handlings.items()):
        return None
    return number, event_id, now, handlings | told


def _keep(connection: sqlite3.Connection, changes: Sequence[_Change]) -> None:
    revision = newest(connection)
    highest = _number(connection, "SELECT coalesce(max(number), 0) FROM events")
    events: list[tuple[Any, ...]] = []
    handlings: list[tuple[Any, ...]] = []
    for known_number, event_id, event, told in changes:
        revision += 1
        highest += known_number is None
        number = known_number or highest
        events.append((number, event_id, revision, *event))
        handlings += [(number, handler, revision, *handling) for handler, handling in told.items()]
    bulk.insert(connection, _KEEP_EVENT, events, _KNOWN_EVENT)
    bulk.insert(connection, _KEEP_BLOCK, _blocks(events), _KNOWN_BLOCK)
    bulk.insert(connection, _KEEP_HANDLING, handlings)
    connection.execute("UPDATE event_revisions SET newest = ?", (revision,))


def _blocks(events: Sequence[tuple[Any, ...]]) -> list[tuple[int, int, int]]:
    """The blocks of revisions in which events are now, and within which time they are."""
    blocks: dict[int, tuple[int, int]] = {}
    for _, _, revision, first, last, *_ in events:
        block = revision // BLOCK
        known = blocks.get(block, (first, last))
        blocks[block] = (min(known[0], first), max(known[1], last))
    return [(block, *times) for block, times in blocks.items()]


def _forget(connection: sqlite3.Connection, query: str, parameters: Sequence[int]) -> int:
    numbers = listed([number for (number,) in connection.execute(query, parameters)])
    connection.execute(f"DELETE FROM handlings WHERE event IN {LISTED}", (numbers,))  # noqa: S608
    forgotten = connection.execute(f"DELETE FROM events WHERE number IN {LISTED}", (numbers,)).rowcount  # noqa: S608
    left = "(SELECT coalesce(min(revision), 0) FROM events)"
    connection.execute(f"DELETE FROM event_blocks WHERE block < {left} / ?", (BLOCK,))  # noqa: S608  a constant
    return forgotten


def _number(connection: sqlite3.Connection, query: str) -> int:
    (number,) = connection.execute(query).fetchone()
    return int(number)
