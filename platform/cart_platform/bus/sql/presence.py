"""Who lives: each bus instance is a holder as long as it renews its lease; what a dead one held is given back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from cart_platform.bus import Queue
from cart_platform.bus.sql.file import data_version
from cart_platform.bus.sql.routes import Routes
from cart_platform.bus.sql.schema import READY, bindings, holders, messages
from cart_platform.bus.sql.transactions import Step


@dataclass(frozen=True, slots=True)
class Ear:
    """A listener's queue and the routing key that leads to it."""

    queue: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What a look at the file shows: a version that changes with every commit of another process, and overdue work."""

    version: int
    overdue: bool


_now: BindParameter[float] = bindparam("now")
_due = messages.c.available_at <= _now
_expired = holders.c.until <= _now
_signs = select(select(messages.c.id).where(_due).exists() | select(holders.c.id).where(_expired).exists())
_promote = update(messages).where(_due).values(holder=READY, available_at=None)
_renew = insert(holders)
_renew = _renew.on_conflict_do_update(index_elements=["id"], set_={"until": _renew.excluded.until})
_backlog = select(messages.c.queue, func.count()).group_by(messages.c.queue)
_answer = select(func.count()).select_from(holders)


class Presence:
    """The steps by which one holder stays alive and looks after the file."""

    def __init__(self, holder: int, routes: Routes) -> None:
        self._holder = holder
        self._routes = routes
        self.declare: Step[Sequence[Queue], None] = Step(self._declare, durable=True)
        self.renew: Step[tuple[float, Sequence[Ear]], None] = Step(self._renew)
        self.leave: Step[None, None] = Step(self._leave)
        self.listen: Step[Ear, None] = Step(self._listen)
        self.forget: Step[str, None] = Step(self._forget)
        self.look: Step[None, Signs] = Step(self._look, writes=False)
        self.tend: Step[None, None] = Step(self._tend)
        self.backlog: Step[None, dict[str, int]] = Step(self._backlog, rank=7, writes=False)
        self.ping: Step[None, None] = Step(self._ping, writes=False)

    def _declare(self, connection: Connection, topologies: Sequence[Sequence[Queue]]) -> Sequence[None]:
        for queues in topologies:
            self._routes.declare(connection, queues)
        return [None] * len(topologies)

    def _renew(self, connection: Connection, leases: Sequence[tuple[float, Sequence[Ear]]]) -> Sequence[None]:
        for seconds, ears in leases:
            connection.execute(_renew, {"id": self._holder, "until": time.time() + seconds})
            # Were this process suspended for long, the others took it for dead and unbound its listeners.
            self._listen(connection, ears)
        return [None] * len(leases)

    def _listen(self, connection: Connection, ears: Sequence[Ear]) -> Sequence[None]:
        for ear in ears:
            self._routes.listen(connection, ear.queue, ear.routing_key)
        return [None] * len(ears)

    def _forget(self, connection: Connection, queues: Sequence[str]) -> Sequence[None]:
        for queue in queues:
            self._routes.forget(connection, queue)
        return [None] * len(queues)

    def _leave(self, connection: Connection, items: Sequence[None]) -> Sequence[None]:
        self._bury(connection, holders.c.id == self._holder)
        return [None] * len(items)

    def _look(self, connection: Connection, items: Sequence[None]) -> Sequence[Signs]:
        overdue = connection.execute(_signs, {"now": time.time()}).scalar_one()
        return [Signs(data_version(connection), bool(overdue))] * len(items)

    def _tend(self, connection: Connection, items: Sequence[None]) -> Sequence[None]:
        now = time.time()
        connection.execute(_promote, {"now": now})
        self._bury(connection, holders.c.until <= now)
        return [None] * len(items)

    def _bury(self, connection: Connection, which: ColumnElement[bool]) -> None:
        """End holders: their listeners' queues go, and what they leased is given back."""
        dead = connection.execute(select(holders.c.id).where(which)).scalars().all()
        if not dead:
            return
        ears = select(bindings.c.queue).where(bindings.c.holder.in_(dead))
        connection.execute(delete(messages).where(messages.c.queue.in_(ears)))
        connection.execute(delete(bindings).where(bindings.c.holder.in_(dead)))
        # By the ids: so the index on queue and holder is read through, not the bodies of a whole backlog.
        leased = select(messages.c.id).where(messages.c.holder.in_(dead))
        connection.execute(update(messages).where(messages.c.id.in_(leased)).values(holder=READY))
        connection.execute(delete(holders).where(holders.c.id.in_(dead)))

    def _backlog(self, connection: Connection, items: Sequence[None]) -> Sequence[dict[str, int]]:
        counts = {queue: count for queue, count in connection.execute(_backlog)}  # noqa: C416  rows are not pairs to mypy
        return [counts] * len(items)

    def _ping(self, connection: Connection, items: Sequence[None]) -> Sequence[None]:
        connection.execute(_answer)
        return [None] * len(items)
