"""What handlers have done, in SQL: claims, units of work committed once, dead-lettered results, projections."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from cart_platform.events import encode_structured
from cart_platform.handler import DEAD_LETTERED, DONE, Result, UnitOfWork
from cart_platform.store import Standing
from cart_platform.store.sql.log import Count, Entry, append, count
from cart_platform.store.sql.schema import claims, projections, results, upsert

Name = tuple[str, str]
"""An event's id and a handler."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)

_result = upsert(results)
_RECORD_DONE = _result.on_conflict_do_update(
    index_elements=["event_id", "handler"],
    set_={name: _result.excluded[name] for name in ("outcome", "time", "body")},
    where=results.c.outcome != DONE,
).returning(results.c.event_id, results.c.handler, results.c.given_up)
_GIVE_UP = _result.on_conflict_do_nothing(index_elements=["event_id", "handler"]).returning(results.c.position)
_GIVE_UP_AGAIN = (
    update(results)
    .where(results.c.event_id == bindparam("event"), results.c.handler == bindparam("by"), results.c.outcome != DONE)
    .values(time=bindparam("at"), body=bindparam("told"))
)
_DONE = (
    select(results.c.event_id, results.c.handler, results.c.body)
    .where(results.c.event_id.in_(bindparam("events", expanding=True)))
    .where(results.c.handler.in_(bindparam("handlers", expanding=True)))
    .where(results.c.outcome == DONE)
)

_addition = upsert(projections)
_ADD = _addition.on_conflict_do_update(
    index_elements=["projection", "key"], set_={"total": projections.c.total + _addition.excluded.total}
)
_TOTAL = select(projections.c.total).where(
    projections.c.projection == bindparam("projection"), projections.c.key == bindparam("key")
)
_TOP = (
    select(projections.c.key, projections.c.total)
    .where(projections.c.projection == bindparam("projection"))
    .order_by(projections.c.total.desc(), projections.c.key)
    .limit(bindparam("rows"))
)

_claim = upsert(claims)
_CLAIM = _claim.on_conflict_do_update(
    index_elements=["event_id", "handler"],
    set_={name: _claim.excluded[name] for name in ("claimant", "until")},
    where=or_(claims.c.until <= bindparam("now"), claims.c.claimant == _claim.excluded.claimant),
)
_CLAIMS = select(claims.c.event_id, claims.c.claimant, claims.c.until).where(
    claims.c.handler == bindparam("handler"), claims.c.event_id.in_(bindparam("events", expanding=True))
)
_THIS_CLAIM = and_(claims.c.handler == bindparam("done_by"), claims.c.event_id == bindparam("done_event"))
_END_CLAIM = delete(claims).where(_THIS_CLAIM)
_GIVE_BACK = delete(claims).where(_THIS_CLAIM, claims.c.claimant == bindparam("held_by"))


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished unit of work with everything encoded: what of it cannot be encoded must not fail others' commit.

    `name` is what is committed once: the event's id and the handler.
    """

    name: Name
    shard: int
    result: Result
    body: bytes
    additions: Sequence[tuple[str, str, int]]
    emitted: Sequence[Entry]

    @classmethod
    def of(cls, handler: str, unit: UnitOfWork, shard: int) -> Self:
        """The unit made ready; raises ValueError when it is not finished."""
        if unit.result is None:
            raise ValueError(f"the unit of {handler} for event {unit.event.id} is not finished")
        emitted = [(shard, event, encode_structured(event)) for event in unit.emitted]
        name = (unit.event.id, handler)
        return cls(name, shard, unit.result, _encoder.encode(unit.result), tuple(unit.additions), emitted)


def commit(connection: Connection, units: Sequence[Finished]) -> list[Result]:
    """Apply the units that were not done before; the standing result of each, in order."""
    distinct: dict[Name, Finished] = {}
    for unit in units:
        distinct.setdefault(unit.name, unit)
    rows = [_row(unit.name, unit.result, unit.body) for unit in distinct.values()]
    recorded = connection.execute(_RECORD_DONE, rows).all()
    fresh = [distinct[row.event_id, row.handler] for row in recorded]
    standing = {unit.name: unit.result for unit in fresh}
    standing |= _done(connection, distinct.keys() - standing.keys())
    counts = _apply(connection, fresh)
    counts.update((DONE, unit.name[1]) for unit in fresh)
    counts.subtract((DEAD_LETTERED, row.handler) for row in recorded if row.given_up)
    connection.execute(_END_CLAIM, [{"done_event": event, "done_by": handler} for event, handler in distinct])
    count(connection, counts)
    return [standing[unit.name] for unit in units]


def _apply(connection: Connection, units: Sequence[Finished]) -> Counter[Count]:
    sums: Counter[tuple[str, str]] = Counter()
    for unit in units:
        for projection, key, amount in unit.additions:
            sums[projection, key] += amount
    if sums:
        rows = [{"projection": name, "key": key, "total": total} for (name, key), total in sorted(sums.items())]
        connection.execute(_ADD, rows)
    return append(connection, [entry for unit in units for entry in unit.emitted])


def record_dead_letter(connection: Connection, event_id: str, result: Result) -> None:
    """Keep the result of an event that was given up, unless it was done after all."""
    row = _row((event_id, result.handler), result, _encoder.encode(result))
    if connection.execute(_GIVE_UP, row).first() is not None:
        count(connection, {(DEAD_LETTERED, result.handler): 1})
        return
    again = {"event": event_id, "by": result.handler, "at": row["time"], "told": row["body"]}
    connection.execute(_GIVE_UP_AGAIN, again)


def begin(
    connection: Connection, handler: str, events: Sequence[str], claimant: str | None, now: float, lease: float
) -> list[Standing]:
    """Where events (ids) stand; a claimant claims the free ones. Times in Unix seconds."""
    # Claimed before looked at: who commits meanwhile takes the claim away and leaves a result, in one step.
    if claimant is not None:
        _claim_free(connection, handler, events, claimant, now, lease)
    found = _done(connection, [(event, handler) for event in events])
    done = {event: result for (event, _), result in found.items()}
    held = _held(connection, handler, events, claimant, now)
    if claimant is not None and done:
        release(connection, handler, list(done), claimant)
    return [Standing(done.get(event), 0.0 if event in done else held.get(event, 0.0)) for event in events]


def _claim_free(
    connection: Connection, handler: str, events: Sequence[str], claimant: str, now: float, lease: float
) -> None:
    row = {"handler": handler, "claimant": claimant, "until": now + lease, "now": now}
    connection.execute(_CLAIM, [{"event_id": event, **row} for event in sorted(events)])


def _held(
    connection: Connection, handler: str, events: Sequence[str], claimant: str | None, now: float
) -> dict[str, float]:
    rows = connection.execute(_CLAIMS, {"handler": handler, "events": events})
    return {row.event_id: row.until - now for row in rows if row.until > now and row.claimant != claimant}


def release(connection: Connection, handler: str, events: Sequence[str], claimant: str) -> None:
    """End the claims that the claimant holds on events (ids)."""
    connection.execute(_GIVE_BACK, [{"done_by": handler, "done_event": event, "held_by": claimant} for event in events])


def total(connection: Connection, projection: str, key: str) -> int:
    """The total of a projection's key, 0 if there is none."""
    return connection.execute(_TOTAL, {"projection": projection, "key": key}).scalar_one_or_none() or 0


def top(connection: Connection, projection: str, rows: int) -> list[tuple[str, int]]:
    """The keys with the largest totals, ties by name."""
    found = connection.execute(_TOP, {"projection": projection, "rows": rows})
    return [(row.key, row.total) for row in found]


def _done(connection: Connection, names: Collection[Name]) -> dict[Name, Result]:
    """The results of those (event id, handler) that are done."""
    if not names:
        return {}
    wanted = {"events": [event_id for event_id, _ in names], "handlers": list({handler for _, handler in names})}
    rows = connection.execute(_DONE, wanted)
    return {(row.event_id, row.handler): _decoder.decode(row.body) for row in rows}


def _row(name: Name, result: Result, body: bytes) -> dict[str, object]:
    return {
        "event_id": name[0],
        "handler": name[1],
        "outcome": result.outcome,
        "given_up": result.outcome != DONE,
        "time": result.time.timestamp(),
        "body": body,
    }
