"""The way of events as a map, drawn from what was seen: nodes and links, and what flows on them at this instant.

No name is known beforehand: spans and metrics tell who is there. What was not seen for a while is left out.
"""

import sqlite3
from typing import Any, Final, NamedTuple

from cart_observability.console.events.event_rows import NS_A_MILLISECOND
from cart_observability.console.logs import lines
from cart_observability.console.logs.conditions import Is
from cart_observability.console.logs.moments import LAST, SECOND
from cart_observability.console.map.flows import flow
from cart_observability.console.map.graph import Graph, Traffic
from cart_observability.console.map.instant import STORE, Instant
from cart_observability.console.map.outline import outline
from cart_observability.console.map.paces import Paces
from cart_observability.console.map.sketch import Sight, key_of, sketch
from cart_observability.console.map.waits import waits
from cart_observability.console.traces.edges import edges, points

KEPT_SECONDS: Final = 600
"""How long a node or link stays after it was last seen."""
STORE_NAME: Final = "store"


class Sending(NamedTuple):
    """What handlers send to somebody outside, as a log line and a metric tell."""

    action: str
    name: str
    metric: str


SENDINGS: Final = (Sending("notification.sent", "e-mails", "cartscope_notifications_sent_total"),)


class Way:
    """The map from one second to the next; paces of spans are known from the second look on, some seconds later.

    Any thread may look at it.
    """

    def __init__(self) -> None:
        self._paces = Paces()

    def drawn(self, connection: sqlite3.Connection, now: int) -> dict[str, Any]:
        """The map at a time (ns), as the HTTP API gives it."""
        since = now - KEPT_SECONDS * SECOND
        instant = Instant(connection, now)
        graph = self._graph(connection, since, now, _store_name(instant))
        sent = {sending.name: sending.metric for sending in SENDINGS if _add(graph, connection, since, sending)}
        flow(graph, instant, sent)
        untold = [queue for queue in graph.nodes_of("queue") if queue.backlog is None]
        # To look for waits costs something: where it is told what waits, it is not worth it.
        found = waits(connection, now) if untold else {}
        for queue in untold:
            queue.wait = found.get(queue.name)
        return graph.drawing()

    def _graph(self, connection: sqlite3.Connection, since: int, now: int, store: str) -> Graph:
        seen: list[Sight] = [*points(connection, since), *edges(connection, since)]
        paces = self._paces.look(now, {key_of(one): (one.spans, one.errors) for one in seen})
        if seen:
            return sketch(seen, paces, store)
        return outline(Instant(connection, now, KEPT_SECONDS), since, store)


def way(connection: sqlite3.Connection, now: int) -> dict[str, Any]:
    """The map at a time (ns), as the HTTP API gives it, looked at once: with rates of what metrics tell alone."""
    return Way().drawn(connection, now)


def _store_name(instant: Instant) -> str:
    """What the store is called that most is asked of."""
    rates = instant.rates(f"{STORE}_count", "store")
    return max(rates, key=lambda name: (rates[name], name), default=STORE_NAME)


def _add(graph: Graph, connection: sqlite3.Connection, since: int, sending: Sending) -> bool:
    """Add what a handler sends outside, if a line says who did so; whether one does."""
    found = lines.search(connection, Is("event.action", sending.action), since, LAST, limit=1)["lines"]
    handler = found[0]["fields"].get("cartscope.handler") if found else None
    if f"handler:{handler}" not in graph.nodes:
        return False
    goal = graph.node("outside", sending.name)
    graph.link(
        graph.nodes[f"handler:{handler}"], goal, "send", Traffic(last=round(found[0]["time"] * NS_A_MILLISECOND))
    )
    return True
