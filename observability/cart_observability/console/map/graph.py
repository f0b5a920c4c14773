"""A map that is being drawn: nodes and links as they are seen, and the columns in which the nodes stand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cart_observability.console.events.event_rows import NS_A_MILLISECOND

FOLLOW_UP: Final = "follow_up"
MOST_NODES: Final = 150
"""Drawn; nobody sees more."""


@dataclass(slots=True)
class Node:
    """One thing that events pass: rates per second, seconds, None is unknown; `last` in ns.

    Of a queue it is told how much comes to it (`arriving`) and leaves it for good (`leaving`), that is without what
    comes back to be tried again, and for how long what was taken last had waited (`wait`).
    """

    kind: str
    name: str
    last: int
    service: str | None = None
    rate: float | None = None
    backlog: float | None = None
    oldest_age: float | None = None
    errors: float = 0.0
    dead_letters: float | None = None
    p99: float | None = None
    arriving: float | None = None
    leaving: float | None = None
    wait: float | None = None

    @property
    def id(self) -> str:
        """As links name it."""
        return f"{self.kind}:{self.name}"


class Traffic(NamedTuple):
    """What was seen to go one way: how many spans, how many of them failed, how many a second, and until when (ns).

    A pace is None where it is unknown.
    """

    spans: int = 0
    failed: int = 0
    pace: float | None = None
    failing: float = 0.0
    last: int = 0

    def less(self, other: "Traffic") -> "Traffic":
        """Without what went another way; never less than nothing."""
        return Traffic(
            max(0, self.spans - other.spans),
            max(0, self.failed - other.failed),
            None if self.pace is None else max(0.0, self.pace - (other.pace or 0.0)),
            max(0.0, self.failing - other.failing),
            self.last,
        )


@dataclass(slots=True)
class Link:
    """A way from one node to another; rates per second, None is unknown; `last` in ns.

    `spans`, `failed` and `pace` are of all traffic that was seen on it, `types` those of the events where they matter,
    `refused` is how many requests a second were not as they should be, and so no error of who answered.
    """

    source: str
    target: str
    kind: str
    last: int = 0
    spans: int = 0
    failed: int = 0
    pace: float | None = None
    rate: float | None = None
    errors: float = 0.0
    refused: float = 0.0
    types: set[str] = field(default_factory=set)

    def add(self, traffic: Traffic) -> None:
        """What was seen on it, too."""
        self.last = max(self.last, traffic.last)
        self.spans += traffic.spans
        self.failed += traffic.failed
        self.errors += traffic.failing
        if traffic.pace is not None:
            self.pace = traffic.pace + (self.pace or 0.0)


@dataclass
class Graph:
    """Nodes by id, links by their ends."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    _into: dict[str, list[Link]] = field(default_factory=lambda: defaultdict(list))
    _out_of: dict[str, list[Link]] = field(default_factory=lambda: defaultdict(list))

    def node(self, kind: str, name: str, last: int = 0, service: str | None = None) -> Node:
        """The node of this kind and name, which was seen at this time (too)."""
        node = self.nodes.setdefault(f"{kind}:{name}", Node(kind, name, last, service))
        node.last = max(node.last, last)
        node.service = node.service or service
        return node

    def link(self, source: Node, target: Node, kind: str, traffic: Traffic) -> Link:
        """The link between two nodes, on which this was seen (too)."""
        link = self.links.get((source.id, target.id))
        if link is None:
            link = self.links[source.id, target.id] = Link(source.id, target.id, kind)
            self._out_of[source.id].append(link)
            self._into[target.id].append(link)
        link.add(traffic)
        for node in (source, target):
            node.last = max(node.last, traffic.last)
        return link

    def into(self, node: Node) -> Sequence[Link]:
        """The links that lead to a node."""
        return self._into.get(node.id, ())

    def out_of(self, node: Node) -> Sequence[Link]:
        """The links that lead away from a node."""
        return self._out_of.get(node.id, ())

    def nodes_of(self, kind: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    def links_of(self, kind: str) -> list[Link]:
        """The links of a kind."""
        return [link for link in self.links.values() if link.kind == kind]

    def drawing(self) -> dict[str, Any]:
        """The map as the page reads it: nodes by column, times in ms; of too many, those that were seen last."""
        latest = sorted(self.nodes.values(), key=lambda node: (-node.last, node.id))[:MOST_NODES]
        shown = {node.id for node in latest}
        links = [link for ends, link in sorted(self.links.items()) if shown.issuperset(ends)]
        columns = _columns(sorted(shown), links)
        nodes = sorted(latest, key=lambda node: (columns[node.id], node.kind, node.name))
        return {
            "nodes": [_node(node, columns[node.id]) for node in nodes],
            "links": [_link(link) for link in links],
            "left_out": len(self.nodes) - len(nodes),
        }


def _columns(nodes: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """The column of each node: the longest way to it from where nothing leads to, without going in circles."""
    onward = _onward(nodes, links)
    columns = dict.fromkeys(nodes, 0)
    for source in _in_order(onward):
        for target in onward[source]:
            columns[target] = max(columns[target], columns[source] + 1)
    return columns


def _onward(nodes: Sequence[str], links: Sequence[Link]) -> dict[str, list[str]]:
    """Where each node leads, but for what leads back to where the way came from."""
    ahead: dict[str, list[str]] = defaultdict(list)
    for link in links:
        if link.kind != FOLLOW_UP:
            ahead[link.source].append(link.target)
    led_to = {target for targets in ahead.values() for target in targets}
    onward: dict[str, list[str]] = {}
    for start in sorted(nodes, key=lambda node: (node in led_to, not node.startswith("caller:"), node)):
        _walk(start, ahead, onward, set())
    return onward


def _walk(node: str, ahead: dict[str, list[str]], onward: dict[str, list[str]], passed: set[str]) -> None:
    """Go on from a node, in depth first; what was passed on the way there closes a circle."""
    if node in onward:
        return
    onward[node] = [target for target in ahead[node] if target not in passed and target != node]
    for target in onward[node]:
        _walk(target, ahead, onward, passed | {node})


def _in_order(onward: dict[str, list[str]]) -> list[str]:
    """Each node before those that it leads to."""
    left = dict.fromkeys(onward, 0)
    for targets in onward.values():
        for target in targets:
            left[target] += 1
    ordered = [node for node, count in left.items() if not count]
    for node in ordered:
        for target in onward[node]:
            left[target] -= 1
            if not left[target]:
                ordered.append(target)
    return ordered


def _node(node: Node, column: int) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "service": node.service,
        "rate": node.rate,
        "backlog": node.backlog,
        "oldest_age_s": node.oldest_age,
        "errors": node.errors,
        "dead_letters": node.dead_letters,
        "p99_s": node.p99,
        "arriving": node.arriving,
        "leaving": node.leaving,
        "wait_s": node.wait,
        "last": node.last / NS_A_MILLISECOND,
        "column": column,
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "id": f"{link.source}>{link.target}",
        "from": link.source,
        "to": link.target,
        "kind": link.kind,
        "rate": link.rate,
        "errors": link.errors,
        "refused": link.refused,
        "last": link.last / NS_A_MILLISECOND,
    }
