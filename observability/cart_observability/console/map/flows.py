"""What metrics tell of a map at one instant: how much flows on its links, what waits at its nodes, what fails.

Metrics count everything, spans perhaps a sample: where there are both, metrics are right. Where a metric counts several
links in one, it is divided among them as their spans are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cart_observability.console.map.graph import FOLLOW_UP, Graph, Link, Node
from cart_observability.console.map.instant import (
    ACCEPTED,
    ASKED,
    CONSUMED,
    DEAD_LETTERS,
    DESTINATION,
    HANDLED,
    IN_FLIGHT,
    OLDEST,
    PENDING,
    PROCESSED,
    PUBLISHED,
    QUEUES,
    RABBITMQ_QUEUES,
    REQUESTS,
    SENT,
    STORE,
    Instant,
)

FAILED: Final = ("retried", "dead_lettered", "failed")
PUBLISHED_WELL: Final = ("confirmed", "sent")
"""What is known to be on the bus, and what was given to it without waiting for an answer."""
SAMPLED: Final = 1.5
"""Where metrics count so many times what spans show, spans are a sample."""
DEAD: Final = ".dead"
"""How the name of a queue of dead letters ends: nobody will take what lies there."""


def flow(graph: Graph, instant: Instant, sent: Mapping[str, str]) -> None:
    """Say of a map what metrics tell of it.

    Args:
        graph: The map; what is not told keeps the rates that its spans show.
        instant: What metrics tell.
        sent: The metrics that count what is sent to nodes outside, by the nodes' names.
    """
    for link in graph.links.values():
        link.rate = link.pace
    _requests(graph, instant)
    _published(graph, instant)
    _delivered(graph, instant)
    _handled(graph, instant)
    _given_up(graph, instant)
    _reported(graph, instant)
    _routed(graph, instant)
    _stored(graph, instant)
    for name, metric in sent.items():
        links = [link for link in graph.links_of("send") if link.target == f"outside:{name}"]
        _divide(links, instant.rates(metric).get(""))
    _wake(graph, instant.now)
    _sum_up(graph)
    _waiting(graph, instant)


def _requests(graph: Graph, instant: Instant) -> None:
    links = [link for link in graph.links_of("request") if link.target.startswith("service:")]
    by_status = instant.rates(f"{REQUESTS}_count", "http_response_status_code")
    if by_status:
        _divide(links, sum(by_status.values()))
        _divide_errors(links, sum(rate for status, rate in by_status.items() if status.startswith("5")))
        refused = sum(rate for status, rate in by_status.items() if status.startswith("4"))
        for link, share in _shares(links, [link.rate or 0.0 for link in links]):
            link.refused = refused * share
    services = {link.target for link in links}
    if len(services) == 1:
        graph.nodes[services.pop()].p99 = instant.p99(REQUESTS).get("")


def _published(graph: Graph, instant: Instant) -> None:
    rates, failures = instant.rates(SENT, DESTINATION), instant.failures(SENT, DESTINATION)
    asked = instant.p99(ASKED, DESTINATION, messaging_operation_name="publish")
    for node in graph.nodes.values():
        links = [link for link in graph.into(node) if link.kind in {"publish", "result"}]
        if node.name in rates and links and node.kind != "service":
            _divide(links, rates[node.name])
            _divide_errors(links, failures.get(node.name, 0.0))
            node.p99 = asked.get(node.name)


def _delivered(graph: Graph, instant: Instant) -> None:
    processed = f"{PROCESSED}_count"
    by_queue = {**instant.rates(processed, DESTINATION), **instant.rates(CONSUMED, DESTINATION)}
    by_handler = instant.rates(processed, "handler")
    for queue in graph.nodes_of("queue"):
        if queue.name in by_queue:
            _divide(graph.out_of(queue), by_queue[queue.name])
    for handler in graph.nodes_of("handler"):
        told = any(graph.nodes[link.source].name in by_queue for link in graph.into(handler))
        _divide(graph.into(handler), None if told else by_handler.get(handler.name))


def _handled(graph: Graph, instant: Instant) -> None:
    failures = instant.rates(HANDLED, "handler", outcome=FAILED) or instant.failures(f"{PROCESSED}_count", "handler")
    p99, in_flight = instant.p99(PROCESSED, "handler"), instant.values(IN_FLIGHT, "handler")
    for handler in graph.nodes_of("handler"):
        handler.p99, handler.backlog = p99.get(handler.name), in_flight.get(handler.name)
        if handler.name in failures:
            _divide_errors(graph.into(handler), failures[handler.name])


def _given_up(graph: Graph, instant: Instant) -> None:
    """Dead letters lie beside the queue that they were taken from."""
    now, in_all = instant.rates(DEAD_LETTERS, "handler"), instant.totals(DEAD_LETTERS, "handler")
    if not in_all:
        now = instant.rates(HANDLED, "handler", outcome="dead_lettered")
        in_all = instant.totals(HANDLED, "handler", outcome="dead_lettered")
    for handler in graph.nodes_of("handler"):
        handler.dead_letters = in_all.get(handler.name)
    for queue in graph.nodes_of("queue") if in_all else ():
        handlers = _handlers(graph, queue)
        queue.errors = sum(now.get(name, 0.0) for name in handlers)
        queue.dead_letters = sum(in_all.get(name, 0.0) for name in handlers)


def _reported(graph: Graph, instant: Instant) -> None:
    """Who reports how much: what it was done with."""
    every, retried = instant.rates(HANDLED, "handler"), instant.rates(HANDLED, "handler", outcome="retried")
    for link in graph.links_of("result"):
        name = link.source.partition(":")[2]
        if name in every:
            link.rate = every[name] - retried.get(name, 0.0)


def _routed(graph: Graph, instant: Instant) -> None:
    """What comes to a queue is what is published of what its handlers react to, whether they take it or not.

    Where no metric tells, it is what spans show to be sent there; where they do not either, what its handlers are done
    with is all that is known: it came, but nobody can say how much more did.
    """
    published, reacting = instant.rates(PUBLISHED, "event_type", outcome=PUBLISHED_WELL), instant.reacting()
    retried = instant.rates(HANDLED, "handler", outcome="retried")
    for queue in graph.nodes_of("queue"):
        handlers = _handlers(graph, queue)
        wanted = {type_ for name in handlers for type_ in reacting.get(name, ())}
        types = wanted & published.keys()
        taken = _sum(link.rate for link in graph.out_of(queue))
        done = None if taken is None else max(0.0, taken - sum(retried.get(name, 0.0) for name in handlers))
        # A type of which nobody tells that it is published may come as well.
        if types and types == wanted:
            queue.arriving, queue.leaving = sum(published[type_] for type_ in types), done
        elif queue.arriving is not None and queue.leaving and taken and taken > SAMPLED * queue.leaving:
            queue.arriving, queue.leaving = queue.arriving * taken / queue.leaving, taken
        told = sum(published[type_] for type_ in types) if types else _coming(graph, queue, done)
        _divide([link for link in graph.into(queue) if link.kind == "route"], told)
    for link in graph.links_of(FOLLOW_UP):
        if link.types and published:
            link.rate = sum(published.get(type_, 0.0) for type_ in link.types)


def _coming(graph: Graph, queue: Node, done: float | None) -> float | None:
    """What a bus brings to a queue: all that comes there but what is published straight to it."""
    if queue.arriving is None:
        return done
    direct = sum(link.rate or 0.0 for link in graph.into(queue) if link.kind != "route")
    return max(0.0, queue.arriving - direct)


def _sum(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _handlers(graph: Graph, queue: Node) -> list[str]:
    goals = (graph.nodes[link.target] for link in graph.out_of(queue))
    return [goal.name for goal in goals if goal.kind == "handler"]


def _stored(graph: Graph, instant: Instant) -> None:
    accepted, p99 = instant.rates(ACCEPTED), instant.p99(STORE, "store")
    for store in graph.nodes_of("store"):
        if not graph.out_of(store):
            continue
        _divide([link for link in graph.into(store) if link.kind == "commit"], accepted.get(""))
        store.p99 = p99.get(store.name)
        store.backlog = instant.values(PENDING, largest=True).get("")
        store.oldest_age = instant.values(OLDEST, largest=True).get("")
        for link in graph.out_of(store):
            # A relay publishes what it takes from the store, and nothing else.
            sent = _sum(onward.rate for onward in graph.out_of(graph.nodes[link.target]))
            link.rate = link.rate if sent is None else sent


def _waiting(graph: Graph, instant: Instant) -> None:
    """What lies in each queue, and in those beside it that are called after it: for retries, not for dead letters."""
    counted = instant.values(QUEUES, "queue", largest=True)
    lying = instant.values(RABBITMQ_QUEUES, "queue") if graph.nodes_of("queue") else {}
    for queue in graph.nodes_of("queue"):
        beside = [name for name in lying if name.startswith(f"{queue.name}.") and not name.endswith(DEAD)]
        if queue.name in counted:
            queue.backlog = counted[queue.name]
        elif queue.name in lying:
            queue.backlog = sum(lying[name] for name in (queue.name, *beside))


def _wake(graph: Graph, now: int) -> None:
    """What flows was seen just now, whether spans of it were or not."""
    for link in graph.links.values():
        if link.rate:
            for seen in (link, graph.nodes[link.source], graph.nodes[link.target]):
                seen.last = max(seen.last, now)


def _sum_up(graph: Graph) -> None:
    """What passes a node is what comes to it, or what goes from where nothing comes to; so are errors."""
    for node in graph.nodes.values():
        links = list(graph.into(node)) or list(graph.out_of(node))
        node.rate = _sum(link.rate for link in links)
        if node.kind != "queue":
            node.errors = sum(link.errors for link in graph.into(node))


def _divide(links: Sequence[Link], rate: float | None) -> None:
    """Divide among links what was counted of all of them together; None where nothing was counted."""
    if rate is not None:
        for link, share in _shares(links, [link.pace or 0.0 for link in links], [link.spans for link in links]):
            # Metrics of the one may be all that there are: no less flows on the other than its spans show.
            link.rate = rate if len(links) == 1 else max(rate * share, link.pace or 0.0)


def _divide_errors(links: Sequence[Link], errors: float) -> None:
    for link, share in _shares(links, [link.errors for link in links], [link.failed for link in links]):
        link.errors = errors * share


def _shares(links: Sequence[Link], *weights: Sequence[float]) -> list[tuple[Link, float]]:
    """The share of each link by the first weights that tell them apart, else the same for all."""
    for each in (*weights, [1.0] * len(links)):
        if whole := sum(each):
            return [(link, weight / whole) for link, weight in zip(links, each, strict=True)]
    return []
