"""The map as metrics alone show it, where no spans come: who is there, and what most likely leads where."""

from typing import Final

from cart_observability.console.map.graph import Graph, Node, Traffic
from cart_observability.console.map.instant import ACCEPTED, DESTINATION, PROCESSED, PUBLISHED, REQUESTS, SENT, Instant
from cart_observability.console.map.sketch import CALLERS

COUNTED: Final = f"{PROCESSED}_count"
ASKED: Final = f"{REQUESTS}_count"


def outline(instant: Instant, last: int, store: str) -> Graph:
    """The map of what metrics counted.

    Args:
        instant: Over as long as what was seen is kept.
        last: When everything was last seen, as far as metrics tell.
        store: What the store is called.
    """
    return _Outline(instant, last, store).drawn()


class _Outline:
    def __init__(self, instant: Instant, last: int, store: str) -> None:
        self._graph = Graph()
        self._instant = instant
        self._last = last
        self._store = store
        self._handling: dict[str, list[Node]] = {}
        self._serving = self._counting(ASKED)

    def drawn(self) -> Graph:
        for queue in sorted(self._counted(COUNTED, DESTINATION)):
            self._deliver(queue)
        for process in sorted(self._serving):
            self._link(self._node("caller", CALLERS), self._service(process), "request")
        for destination in sorted(self._counted(SENT, DESTINATION)):
            for process in sorted(self._counting(SENT, destination)):
                self._publish(process, destination)
        self._route()
        self._keep()
        return self._graph

    def _deliver(self, queue: str) -> None:
        processes = sorted(self._counting(COUNTED, queue))
        for name in sorted(self._counted(COUNTED, "handler", queue)):
            handler = self._node("handler", name, processes[0] if processes else None)
            self._link(self._node("queue", queue), handler, "deliver")
            for process in processes:
                self._handling.setdefault(process, []).append(handler)

    def _publish(self, process: str, destination: str) -> None:
        """A process that handles and serves nobody reports; any other one publishes."""
        handlers = self._handling.get(process, [])
        if not handlers or process in self._serving:
            self._link(self._service(process), self._node("bus", destination), "publish")
        for handler in handlers if process not in self._serving else ():
            self._link(handler, self._node("results", destination), "result")

    def _route(self) -> None:
        """No metric tells what a bus leads to, unless there is but one."""
        buses = self._graph.nodes_of("bus")
        for queue in self._graph.nodes_of("queue") if len(buses) == 1 else ():
            self._link(buses[0], queue, "route")

    def _keep(self) -> None:
        """Between who accepts events and another one who publishes them there is a store."""
        accepting, publishing = self._counting(ACCEPTED), self._counting(PUBLISHED)
        if not accepting or accepting & publishing:
            return
        store = self._node("store", self._store)
        for process in sorted(accepting):
            self._link(self._service(process), store, "commit")
        for process in sorted(publishing):
            self._link(store, self._service(process), "publish")

    def _counted(self, metric: str, label: str, destination: str | None = None) -> set[str]:
        where = {} if destination is None else {DESTINATION: destination}
        return {name for name, rate in self._instant.rates(metric, label, **where).items() if rate}

    def _counting(self, metric: str, destination: str | None = None) -> set[str]:
        return self._counted(metric, "process", destination)

    def _service(self, process: str) -> Node:
        return self._node("service", process, process)

    def _node(self, kind: str, name: str, service: str | None = None) -> Node:
        return self._graph.node(kind, name, self._last, service)

    def _link(self, source: Node, target: Node, kind: str) -> None:
        self._graph.link(source, target, kind, Traffic(last=self._last))
