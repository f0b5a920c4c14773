"""Which queues a publication leads to, as the bindings in the file say."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from cart_platform.bus import DEFAULT_EXCHANGE, EVENTS_EXCHANGE, RESULTS_EXCHANGE, Publication, Queue
from cart_platform.bus.sql.file import data_version
from cart_platform.bus.sql.schema import bindings, messages

Route = Callable[[Publication], set[str]]

_bind = insert(bindings).on_conflict_do_nothing()
_unbind = delete(bindings).where(bindings.c.queue == bindparam("name"))
_forget = delete(messages).where(messages.c.queue == bindparam("name"))


class Routes:
    """The bindings, read again whenever they may have changed; used inside transactions only.

    Listeners of this holder are not among them: their bus hands them their copies itself.
    """

    def __init__(self, holder: int) -> None:
        self._holder = holder
        self._version: int | None = None
        self._queues: dict[tuple[str, str], set[str]] = {}

    def of(self, connection: Connection) -> Route:
        """The routes as they are in this transaction."""
        version = data_version(connection)
        if version != self._version:
            self._queues = self._read(connection)
            self._version = version
        return self._route

    def _read(self, connection: Connection) -> dict[tuple[str, str], set[str]]:
        queues: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        foreign = bindings.c.holder.is_distinct_from(self._holder)
        for exchange, key, queue, _ in connection.execute(select(bindings).where(foreign)):
            queues[exchange, key].add(queue)
            queues[DEFAULT_EXCHANGE, queue].add(queue)
        return dict(queues)

    def _route(self, publication: Publication) -> set[str]:
        queues = self._queues.get((publication.exchange, publication.routing_key), _NOWHERE)
        if publication.copy_to is None:
            return queues
        return queues | self._queues.get((publication.exchange, publication.copy_to), _NOWHERE)

    def declare(self, connection: Connection, queues: Sequence[Queue]) -> None:
        """Bind handlers' queues to their routing keys, and to no others."""
        self._version = None
        for queue in queues:
            connection.execute(_unbind, {"name": queue.name})
        rows = [
            {"exchange": EVENTS_EXCHANGE, "routing_key": key, "queue": queue.name, "holder": None}
            for queue in queues
            for key in queue.routing_keys
        ]
        if rows:
            connection.execute(_bind, rows)

    def listen(self, connection: Connection, queue: str, routing_key: str) -> None:
        """Bind a listener's queue, for as long as this holder lives."""
        row = {"exchange": RESULTS_EXCHANGE, "routing_key": routing_key, "queue": queue, "holder": self._holder}
        connection.execute(_bind, row)

    def forget(self, connection: Connection, queue: str) -> None:
        """Unbind a listener's queue, and delete what waits in it."""
        connection.execute(_unbind, {"name": queue})
        connection.execute(_forget, {"name": queue})


_NOWHERE: set[str] = set()
