"""The map as spans show it: who calls, what stores and buses carry, who handles, and where all that leads.

What a create span makes and another service publishes went through a store, as an outbox does. What a handler publishes
itself, and nobody was seen to receive, is a result that it reports. What comes to a queue is what is sent where its
messages were seen to come from; what its handlers take may be less, or the same message again.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from cart_observability.console.events.sightings import CREATE, PROCESS, SEND
from cart_observability.console.map.graph import FOLLOW_UP, Graph, Node, Traffic
from cart_observability.console.map.paces import Pace
from cart_observability.console.traces.edges import Edge, Point, Seen

CALLERS: Final = "callers"
RECEIVE: Final = "receive"
MOST_OF_THEM: Final = 0.9
"""So large a share of what a queue's handlers took must be seen to be sent, or what comes to it is not known."""
NOTHING: Final[Mapping[Hashable, Pace]] = {}
REMOTE_CALLS: Final = frozenset({"", "http", "grpc", "connect_rpc", "jsonrpc", "dubbo", "aws-api", "java_rmi"})
"""Systems by which a client talks to a service; what else it may talk to keeps data."""


Sight = Seen | Edge


def sketch(seen: Sequence[Sight], paces: Mapping[Hashable, Pace] = NOTHING, store: str = "store") -> Graph:
    """The map of what was seen, with how often.

    Args:
        seen: Points of spans, and edges from what spans stand for to what they brought about.
        paces: How often that is, by `key_of`.
        store: What the store is called: no span says.
    """
    return _Sketch(seen, paces, store).drawn()


def key_of(sight: Sight) -> Hashable:
    """By what one thing that was seen is told from others."""
    return (sight.source, sight.target) if isinstance(sight, Edge) else sight.point


def exchange_of(point: Point) -> str | None:
    """The exchange of what is processed: the first part of a RabbitMQ destination; None where messages come without."""
    first, separator, _ = point.destination.partition(":")
    return first if separator else None


def routing_key_of(point: Point) -> str:
    """What is published, as its routing key says; empty where none is named."""
    return point.destination.partition(":")[2]


class _Sketch:
    def __init__(self, seen: Sequence[Sight], paces: Mapping[Hashable, Pace], store: str) -> None:
        self._graph = Graph()
        self._points = [sight for sight in seen if isinstance(sight, Seen)]
        self._paces = paces
        self._store_name = store
        self._into: dict[Point, list[Edge]] = defaultdict(list)
        self._from: dict[Point, list[Edge]] = defaultdict(list)
        for edge in seen:
            if isinstance(edge, Edge):
                self._into[edge.target].append(edge)
                if edge.source is not None:
                    self._from[edge.source].append(edge)
        self._seen = {seen.point: seen for seen in self._points}
        self._taken: dict[str, list[Seen]] = defaultdict(list)
        for one in self._points:
            if one.point.operation == PROCESS:
                self._taken[one.point.queue].append(one)
        processed = [one.point for every in self._taken.values() for one in every]
        self._queues = set(self._taken)
        self._exchanges = {exchange_of(point) for point in processed}
        self._handlers: dict[str, set[str]] = defaultdict(set)
        for point in processed:
            self._handlers[point.service].add(point.handler)
        self._serving = {seen.point.service for seen in self._points if seen.point.kind == "server"}
        self._reporting = self._only_reported_to()

    def drawn(self) -> Graph:
        for seen in self._points:
            point = seen.point
            if point.operation == PROCESS:
                self._process(seen)
            elif point.operation == CREATE:
                self._create(seen)
            elif point.operation == SEND:
                self._send(seen)
            elif point.operation == RECEIVE:
                self._receive(seen)
            elif point.kind == "server":
                self._serve(seen)
            elif point.kind == "client" and not point.operation:
                self._call(seen)
        for queue in self._graph.nodes_of("queue"):
            self._fill(queue)
        return self._graph

    def _serve(self, seen: Seen) -> None:
        service = self._graph.node("service", seen.point.service, seen.last, seen.point.service)
        others = self._traffic(seen)
        for edge in self._into[seen.point]:
            if edge.source and edge.source.kind == "client" and edge.source.service != seen.point.service:
                for caller in {node.id: node for node, _ in self._actors(edge.source, edge)}.values():
                    self._graph.link(caller, service, "request", self._traffic(edge))
                others = others.less(self._traffic(edge))
        if others.spans:
            self._graph.link(self._graph.node("caller", CALLERS), service, "request", others)

    def _create(self, seen: Seen) -> None:
        sends = [edge.target for edge in self._from[seen.point] if edge.target.operation == SEND]
        direct = [target for target in sends if target.service == seen.point.service]
        goal = self._destination(direct[0]) if direct else self._store()
        for actor, sight in self._actors(seen.point, seen):
            kind = "publish" if direct else FOLLOW_UP if actor.kind == "handler" else "commit"
            self._graph.link(actor, goal, kind, self._traffic(sight))

    def _send(self, seen: Seen) -> None:
        goal, unexplained = self._destination(seen.point), self._traffic(seen)
        for edge in self._into[seen.point]:
            self._sent(seen.point, edge, goal)
            unexplained = unexplained.less(self._traffic(edge))
        # A parent ends after what it brought about, and is told later: for a moment there may be none.
        if unexplained.spans > seen.spans / 2:
            self._graph.link(self._actor(seen.point, None), goal, "publish", unexplained)

    def _sent(self, point: Point, edge: Edge, goal: Node) -> None:
        source, traffic = edge.source, self._traffic(edge)
        is_relayed = source is not None and source.service != point.service
        if source is not None and is_relayed and source.operation in {PROCESS, CREATE}:
            relay, taken = self._graph.node("service", point.service, service=point.service), _sound(traffic)
            if source.operation == PROCESS:
                link = self._graph.link(self._handler(source), self._store(), FOLLOW_UP, taken)
                link.types.add(routing_key_of(point))
            self._graph.link(self._store(), relay, "publish", taken)
            self._graph.link(relay, goal, "publish", traffic)
        elif source is None or source.operation != CREATE:
            kind = "result" if goal.kind == "results" else "publish"
            self._graph.link(self._actor(point, source), goal, kind, traffic)

    def _process(self, seen: Seen) -> None:
        queue, handler, traffic = self._queue(seen.point.queue), self._handler(seen.point), self._traffic(seen)
        self._graph.link(queue, handler, "deliver", traffic)
        if exchange := exchange_of(seen.point):
            self._graph.link(self._graph.node("bus", exchange), queue, "route", _sound(traffic))

    def _fill(self, queue: Node) -> None:
        """Tell what comes to a queue, where all that its handlers take was seen to be sent, and what they take."""
        taken = self._taken.get(queue.name, [])
        sends: set[Point] = set()
        known = 0
        for one in taken:
            for edge in self._into[one.point]:
                found = self._sends_of(edge)
                sends |= found
                known += edge.spans if found else 0
        if known and known >= MOST_OF_THEM * sum(one.spans for one in taken):
            queue.arriving = self._pace([self._seen[send] for send in sends])
            queue.leaving = self._pace(taken)

    def _sends_of(self, edge: Edge) -> set[Point]:
        """By what messages were sent that came this way to be processed, where it tells to which queue."""
        if edge.source is None:
            return set()
        onward = [edge.source, *(further.target for further in self._from[edge.source])]
        sends = (one for one in onward if one.operation == SEND and one in self._seen)
        return {send for send in sends if _leads_to(send, edge.target)}

    def _pace(self, seen: Iterable[Seen]) -> float | None:
        """Of all of them together; None where one of them is unknown."""
        paces = [self._traffic(one).pace for one in seen]
        known = [pace for pace in paces if pace is not None]
        return sum(known) if len(known) == len(paces) else None

    def _receive(self, seen: Seen) -> None:
        name = seen.point.destination.rpartition(":")[2]
        if name and name not in self._queues:
            self._graph.link(self._queue(name), self._actor(seen.point, None), "deliver", self._traffic(seen))

    def _call(self, seen: Seen) -> None:
        if any(edge.target.kind == "server" for edge in self._from[seen.point]):
            return
        is_store = seen.point.system not in REMOTE_CALLS
        name = seen.point.system if is_store else seen.point.destination or seen.point.system
        if not name:
            return
        goal = self._graph.node("store" if is_store else "outside", name)
        for actor, sight in self._actors(seen.point, seen):
            self._graph.link(actor, goal, "commit" if is_store else "send", self._traffic(sight))

    def _actors(self, point: Point, seen: Sight) -> Iterator[tuple[Node, Sight]]:
        """Who did what a point stands for, and how often."""
        if not self._into[point]:
            yield self._actor(point, None), seen
        for edge in self._into[point]:
            yield self._actor(point, edge.source), edge

    def _actor(self, point: Point, source: Point | None) -> Node:
        """The handler in whose work something was done, else the service."""
        if source is not None and source.operation == PROCESS and source.service == point.service:
            return self._handler(source)
        handlers = [point.handler] if point.handler else list(self._handlers.get(point.service, ()))
        # A service that does nothing but handle is not shown beside its handler.
        if len(handlers) == 1 and point.service not in self._serving:
            return self._graph.node("handler", handlers[0], service=point.service)
        return self._graph.node("service", point.service, service=point.service)

    def _traffic(self, sight: Sight) -> Traffic:
        pace = self._paces.get(key_of(sight))
        spans, failing = (None, 0.0) if pace is None else pace
        return Traffic(sight.spans, sight.errors, spans, failing, sight.last)

    def _queue(self, name: str) -> Node:
        return self._graph.node("queue", name)

    def _handler(self, point: Point) -> Node:
        return self._graph.node("handler", point.handler, service=point.service)

    def _store(self) -> Node:
        return self._graph.node("store", self._store_name)

    def _destination(self, point: Point) -> Node:
        """Where something is published: an exchange, or straight to a queue."""
        name = point.destination.partition(":")[0] or point.system
        if name in self._queues and name not in self._exchanges:
            return self._graph.node("queue", name)
        return self._graph.node("results" if name in self._reporting else "bus", name)

    def _only_reported_to(self) -> set[str]:
        """Where handlers publish and nobody else, and nobody was seen to receive."""
        reported: set[str] = set()
        others: set[str] = set()
        for seen in self._points:
            if seen.point.operation == SEND:
                name = seen.point.destination.partition(":")[0]
                sources = [edge.source for edge in self._into[seen.point]]
                is_report = sources and all(_is_own_handling(source, seen.point) for source in sources)
                (reported if is_report else others).add(name)
        return {name for name in reported - others if name not in self._exchanges}


def _leads_to(send: Point, point: Point) -> bool:
    """Whether everything that is sent so comes to where messages are processed so."""
    if send.destination == point.destination:
        return True
    return ":" in send.destination and point.destination == f"{send.destination}:{point.queue}"


def _is_own_handling(source: Point | None, point: Point) -> bool:
    return source is not None and source.operation == PROCESS and source.service == point.service


def _sound(traffic: Traffic) -> Traffic:
    """The same on a way where it did not fail yet."""
    return traffic._replace(failed=0, failing=0.0)
