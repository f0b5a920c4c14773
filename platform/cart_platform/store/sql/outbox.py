"""The outbox in SQL: unsent events of the log, and which relay may send those of which shard."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import CompoundSelect, Connection, bindparam, delete, func, select, union_all, update

from cart_platform.events import decode_structured
from cart_platform.store import Depth, Pending
from cart_platform.store.sql.log import SENT, count
from cart_platform.store.sql.schema import events, relays, shards, unsent, upsert

_SEND = (
    update(events)
    .where(events.c.position.in_(bindparam("positions", expanding=True)), unsent)
    .values(sent=True)
    .returning(events.c.position)
)
_COUNT = select(func.count()).select_from(events).where(unsent)
_first = (
    select(func.min(events.c.position))
    .where(events.c.shard == shards.c.shard, unsent)
    .correlate(shards)
    .scalar_subquery()
)
_OLDEST = select(func.min(events.c.time)).select_from(shards).join(events, events.c.position == _first)

_SHARDS = select(shards).order_by(shards.c.shard).with_for_update()
_HOLD = update(shards).where(shards.c.shard == bindparam("held")).values(relay=bindparam("by"), until=bindparam("end"))
_FREE = update(shards).where(shards.c.relay == bindparam("by")).values(relay=None, until=0.0)
_alive = upsert(relays)
_REGISTER = _alive.on_conflict_do_update(index_elements=["name"], set_={"until": _alive.excluded.until})


def pending(connection: Connection, of_shards: Sequence[int], rows: int) -> list[Pending]:
    """The oldest unsent events of some shards."""
    if not of_shards:
        return []
    wanted = {f"shard_{number}": shard for number, shard in enumerate(of_shards)}
    found = connection.execute(_pending(len(of_shards)), {**wanted, "rows": rows})
    return [Pending(row.shard, str(row.position), decode_structured(row.body)) for row in found]


@cache
def _pending(number: int) -> CompoundSelect[int, int, bytes]:
    """One select for each shard: the database then merges as many index scans, and stops after the first rows."""
    of_shard = [
        select(events.c.position, events.c.shard, events.c.body).where(
            events.c.shard == bindparam(f"shard_{place}"), unsent
        )
        for place in range(number)
    ]
    return union_all(*of_shard).order_by("position").limit(bindparam("rows"))


def mark_sent(connection: Connection, entries: Sequence[Pending]) -> Sequence[int]:
    """Take events out of the outbox; gives the positions of those that were still in it."""
    sent = connection.execute(_SEND, {"positions": [int(entry.position) for entry in entries]}).scalars().all()
    count(connection, {(SENT, ""): len(sent)})
    return sent


def depth(connection: Connection, now: float) -> Depth:
    """Unsent events and the age of the oldest, at a time in Unix seconds."""
    oldest = connection.execute(_OLDEST).scalar_one()
    return Depth(connection.execute(_COUNT).scalar_one(), 0.0 if oldest is None else max(0.0, now - oldest))


def make_shards(connection: Connection, number: int) -> None:
    """Make a row for each shard, held by nobody."""
    rows = [{"shard": shard, "until": 0.0} for shard in range(number)]
    connection.execute(upsert(shards).on_conflict_do_nothing(), rows)


def hold_shards(connection: Connection, relay: str, now: float, lease: float) -> list[int]:
    """Hold the relay's fair share of the shards until `now + lease` (Unix seconds), and no more."""
    # The shards' rows are locked first: relays that come at once are counted one after the other.
    rows = connection.execute(_SHARDS).all()
    share = -(-len(rows) // _register(connection, relay, now, now + lease))
    own = [row.shard for row in rows if row.relay == relay]
    free = [row.shard for row in rows if row.relay != relay and row.until <= now]
    held = sorted((own + free)[:share])
    connection.execute(_FREE, {"by": relay})
    if held:
        connection.execute(_HOLD, [{"held": shard, "by": relay, "end": now + lease} for shard in held])
    return held


def release_shards(connection: Connection, relay: str) -> None:
    """Free all shards of a relay and count it among the living no more."""
    connection.execute(_FREE, {"by": relay})
    connection.execute(delete(relays).where(relays.c.name == relay))


def _register(connection: Connection, relay: str, now: float, until: float) -> int:
    """Note that the relay lives; gives how many do."""
    connection.execute(delete(relays).where(relays.c.until <= now))
    connection.execute(_REGISTER, {"name": relay, "until": until})
    return connection.execute(select(func.count()).select_from(relays)).scalar_one()
