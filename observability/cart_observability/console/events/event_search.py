"""Search among events, latest change first, without a look at all of them."""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from cart_observability.console.events.event_rows import COLUMNS, shown
from cart_observability.console.events.sightings import CONFIRMED

BLOCK: Final = 4_096
"""Revisions of which is known, together, within which time their events are (`event_blocks`)."""
_MOST_WORDS: Final = 100
"""Handlers, and outcomes of each, among which is searched; there are few, unless somebody sends nonsense."""
_REVISION: Final = 2
_BEYOND: Final = 1 << 62
"""Higher than any revision."""

Row = Sequence[Any]


class Filters(NamedTuple):
    """What events are asked for; None asks for any.

    Handler and outcome are looked for in one and the same handling; an outcome without a handler may also be the bus's
    answer (unroutable, refused, unknown).
    """

    type: str | None = None
    handler: str | None = None
    outcome: str | None = None
    subject: str | None = None
    id: str | None = None


class _Condition(NamedTuple):
    """Part of a query, and its parameters."""

    text: str
    parameters: tuple[Any, ...]


def find(
    connection: sqlite3.Connection,
    filters: Filters = Filters(),  # noqa: B008  a tuple cannot change
    start: int | None = None,
    end: int | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> dict[str, Any]:
    """The events that were heard of within a time, latest change first: `events`, and whether there are `more`.

    Args:
        connection: That reads.
        filters: What all of them have.
        start: Last heard of then or later; ns since the epoch.
        end: First heard of then or earlier; ns since the epoch.
        before: With a lower revision: the next page.
        after: With a higher revision: what changed since.
        limit: Most events.
    """
    lowest, highest = _revisions(connection, start, end)
    conditions = [
        _Condition(text, (value,))
        for text, value in (
            ("id = ?", filters.id),
            ("type = ?", filters.type),
            ("subject = ?", filters.subject),
            ("events.last >= ?", start),
            ("events.time <= ?", end),
            ("events.revision < ?", before),
            ("events.revision > ?", after),
            ("events.revision < ?", highest),
            ("events.revision > ?", lowest),
        )
        if value is not None
    ]
    rows = list(islice(_found(connection, filters, conditions), limit + 1))
    return {"events": shown(connection, rows[:limit]), "more": len(rows) > limit}


def _revisions(connection: sqlite3.Connection, start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """Between which revisions the events of a time are.

    A block knows no earlier and no later time than those of its events: these only leave it, for a later one.
    """
    lowest = highest = None
    if start is not None:
        query = "SELECT block FROM event_blocks WHERE last >= ? ORDER BY block LIMIT 1"
        found = connection.execute(query, (start,)).fetchone()
        lowest = found[0] * BLOCK - 1 if found else _BEYOND
    if end is not None:
        query = "SELECT block FROM event_blocks WHERE first <= ? ORDER BY block DESC LIMIT 1"
        found = connection.execute(query, (end,)).fetchone()
        highest = (found[0] + 1) * BLOCK if found else 0
    return lowest, highest


def _found(connection: sqlite3.Connection, filters: Filters, conditions: Sequence[_Condition]) -> Iterator[Row]:
    if filters.handler is None and filters.outcome is None:
        return _select(connection, "events", conditions)
    if filters.id is not None or filters.subject is not None:
        return _select(connection, "events", [*conditions, _handled(filters)])
    return _merged(_by_handling(connection, filters, conditions))


def _select(connection: sqlite3.Connection, source: str, conditions: Sequence[_Condition]) -> Iterator[Row]:
    where = " AND ".join(condition.text for condition in conditions) or "TRUE"
    columns = ", ".join(f"events.{name}" for name in COLUMNS.split(", "))
    order = "handlings.revision" if "handlings" in source else "events.revision"
    return connection.execute(
        f"SELECT {columns} FROM {source} WHERE {where} ORDER BY {order} DESC",  # noqa: S608  constants of this module
        [parameter for condition in conditions for parameter in condition.parameters],
    )


def _handled(filters: Filters) -> _Condition:
    """For few candidates: a look at the handlings of each."""
    handling = " AND ".join(
        f"{name} = ?"
        for name, value in (("handler", filters.handler), ("outcome", filters.outcome))
        if value is not None
    )
    parameters = tuple(value for value in (filters.handler, filters.outcome) if value is not None)
    exists = f"EXISTS (SELECT 1 FROM handlings WHERE event = number AND {handling})"  # noqa: S608  as above
    if filters.handler is None:
        return _Condition(f"({exists} OR answer = ?)", (*parameters, filters.outcome))
    return _Condition(exists, parameters)


def _by_handling(
    connection: sqlite3.Connection, filters: Filters, conditions: Sequence[_Condition]
) -> Iterator[Iterator[Row]]:
    """For each handler and outcome that is asked for, its events in order, read no further than needed.

    A handling has the revision of its event, which is why they are in the order of their events.
    """
    handled = [
        _Condition(condition.text.replace("events.revision", "handlings.revision"), condition.parameters)
        for condition in conditions
    ]
    for handler in [filters.handler] if filters.handler is not None else _handlers(connection):
        for outcome in [filters.outcome] if filters.outcome is not None else _outcomes(connection, handler):
            asked = _Condition("handler = ? AND outcome IS ?", (handler, outcome))
            yield _select(connection, "handlings CROSS JOIN events ON number = event", [asked, *handled])
    if filters.handler is None:
        # Said twice, for SQLite to see that the index of those that were not confirmed is enough.
        answer = "answer = ?" if filters.outcome == CONFIRMED else f"answer = ? AND answer <> '{CONFIRMED}'"
        yield _select(connection, "events", [_Condition(answer, (filters.outcome,)), *conditions])


def _merged(sources: Iterator[Iterator[Row]]) -> Iterator[Row]:
    """Each event once, latest change first, from sources that are in that order."""
    last = None
    for row in heapq.merge(*sources, key=lambda row: -row[_REVISION]):
        if row[_REVISION] != last:
            yield row
        last = row[_REVISION]


def _handlers(connection: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT min(handler) FROM handlings WHERE handler > ?"
    return islice(_steps(connection, query, ()), _MOST_WORDS)


def _outcomes(connection: sqlite3.Connection, handler: str | None) -> Iterator[str | None]:
    yield None
    query = "SELECT min(outcome) FROM handlings WHERE handler = ? AND outcome > ?"
    yield from islice(_steps(connection, query, (handler,)), _MOST_WORDS)


def _steps(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> Iterator[str]:
    """From one word of an index to the next: as many looks as there are words, however many rows."""
    word: str | None = ""
    while (word := connection.execute(query, (*parameters, word)).fetchone()[0]) is not None:
        yield word
