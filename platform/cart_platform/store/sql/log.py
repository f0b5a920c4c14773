"""The event log in SQL: appending, reading with results, counting, forgetting."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Delete, Row, Select, Table, bindparam, delete, exists, select

from cart_platform.events import Event, decode_structured
from cart_platform.handler import DEAD_LETTERED, DONE, Result
from cart_platform.store import Recorded, Totals
from cart_platform.store.sql.schema import claims, counters, events, idempotency_keys, results, unsent, upsert

TRIM_ROWS = 1_000
"""Rows of a table that one transaction looks at to forget them: other work gets its turn in between."""

APPENDED = "appended"
SENT = "sent"

Count = tuple[str, str]
"""What is counted: APPENDED with an event type, SENT with no name, DONE or DEAD_LETTERED with a handler."""

Entry = tuple[int, Event, bytes]
"""What is appended: shard, event, and the event's structured JSON."""

_results = msgspec.json.Decoder(Result)

# A follow-up's id is derived: one that is in the log already came from the same unit of work.
_APPEND = upsert(events).on_conflict_do_nothing(index_elements=["id"])
_addition = upsert(counters)
_COUNT = _addition.on_conflict_do_update(
    index_elements=["kind", "name"], set_={"total": counters.c.total + _addition.excluded.total}
)
_EVENT = select(events).where(events.c.id == bindparam("event_id"))
_PAGE = (
    select(events).where(events.c.position > bindparam("after")).order_by(events.c.position).limit(bindparam("rows"))
)
_RESULTS = select(results.c.event_id, results.c.body).where(results.c.event_id.in_(bindparam("events", expanding=True)))


def append(connection: Connection, appended: Sequence[Entry]) -> Counter[Count]:
    """Append events to the log, and by that to the outbox; gives what is to be counted of them."""
    rows = [
        {"id": event.id, "shard": shard, "time": event.time.timestamp(), "body": body}
        for shard, event, body in appended
    ]
    if rows:
        connection.execute(_APPEND, rows)
    return Counter((APPENDED, event.type) for _, event, _ in appended)


def count(connection: Connection, amounts: Mapping[Count, int]) -> None:
    """Change counters; last in a transaction, because every process waits for the same few rows."""
    rows = [{"kind": kind, "name": name, "total": amount} for (kind, name), amount in sorted(amounts.items()) if amount]
    if rows:
        connection.execute(_COUNT, rows)


def totals(connection: Connection) -> Totals:
    """What has been counted since the store was made."""
    amounts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(select(counters)):
        amounts[row.kind][row.name] = row.total
    return Totals(amounts[APPENDED], sum(amounts[SENT].values()), amounts[DONE], amounts[DEAD_LETTERED])


def recorded(connection: Connection, event_id: str) -> Recorded | None:
    """One event of the log, None if there is none."""
    rows = connection.execute(_EVENT, {"event_id": event_id}).all()
    return next(iter(_with_results(connection, rows)), None)


def page(connection: Connection, after: int, rows: int) -> tuple[int, Sequence[Recorded]]:
    """The events that follow a position, and the position to go on from; the same position at the end."""
    found = connection.execute(_PAGE, {"after": after, "rows": rows}).all()
    return (found[-1].position if found else after), _with_results(connection, found)


def forget(connection: Connection, table: Table, before: float, after: int) -> tuple[int, int | None]:
    """Forget old rows among the TRIM_ROWS of one of `FORGETTABLE` that follow a position; `before` in Unix seconds.

    What belongs to an event that is not sent yet is kept, however old: the event can still be handled. Gives how many
    rows were forgotten, and the position to go on from, None where no old rows follow: times grow with positions.
    """
    rows = connection.execute(_HEAD[table], {"after": after}).all()
    if all(row.time >= before for row in rows):
        return 0, None
    last = rows[-1].position
    return connection.execute(_FORGET[table], {"before": before, "after": after, "last": last}).rowcount, last


def forget_claims(connection: Connection, now: float) -> None:
    """Forget claims that nobody gave back and whose lease is over."""
    connection.execute(delete(claims).where(claims.c.until < now))


def _with_results(connection: Connection, rows: Sequence[Row[Any]]) -> list[Recorded]:
    by_event: dict[str, dict[str, Result]] = defaultdict(dict)
    for row in connection.execute(_RESULTS, {"events": [row.id for row in rows]}):
        result = _results.decode(row.body)
        by_event[row.event_id][result.handler] = result
    return [Recorded(decode_structured(row.body), by_event[row.id], row.sent) for row in rows]


def _head(table: Table) -> Select[int, float]:
    position = table.c.position
    return select(position, table.c.time).where(position > bindparam("after")).order_by(position).limit(TRIM_ROWS)


def _forget(table: Table, allowed: ColumnElement[bool]) -> Delete:
    looked_at = (table.c.position > bindparam("after"), table.c.position <= bindparam("last"))
    return delete(table).where(*looked_at, table.c.time < bindparam("before"), allowed)


def _settled(table: Table) -> ColumnElement[bool]:
    """Rows whose event is not waiting to be sent. Looked up row by row: what waits may be very many."""
    return ~exists().where(events.c.id == table.c.event_id, unsent)


_FORGET = {
    events: _forget(events, events.c.sent),
    results: _forget(results, _settled(results)),
    idempotency_keys: _forget(idempotency_keys, _settled(idempotency_keys)),
}
_HEAD = {table: _head(table) for table in _FORGET}
FORGETTABLE = tuple(_FORGET)
"""The tables that grow with the log."""
