"""Spans of which maps are drawn, and maps as tests look at them."""

from typing import Any

from cart_observability.console.map.graph import MOST_NODES
from cart_observability.console.records import Span
from support.observed_runs import SECOND

NOW = 1_800_000_000 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"


def nodes(drawn: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes of a map by id."""
    return {node["id"]: node for node in drawn["nodes"]}


def links(drawn: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The links of a map by id."""
    return {link["id"]: link for link in drawn["links"]}


def columns(drawn: dict[str, Any]) -> list[list[str]]:
    """The ids of the nodes, column by column."""
    found = [[node["id"] for node in drawn["nodes"] if node["column"] == column] for column in range(MOST_NODES)]
    return [column for column in found if column]


def kinds(drawn: dict[str, Any]) -> dict[str, str]:
    """The kinds of the links."""
    return {link["id"]: link["kind"] for link in drawn["links"]}


def span(
    number: int,
    parent: int | None,
    kind: str,
    service: str,
    name: str,
    attributes: dict[str, Any],
    *,
    error: str | None = None,
    at: int = NOW,
) -> Span:
    """A span of one and the same trace, known by a number, and with that of its parent."""
    parent_id = None if parent is None else f"{parent:016x}"
    return Span(TRACE, f"{number:016x}", parent_id, service, name, kind, at, at + 1000, error, attributes, ())


def messaging(operation: str, destination: str) -> dict[str, str]:
    """What a span says of what it does with messages."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


def request(number: int, at: int, error: str | None = None) -> Span:
    """The span of a request, in a trace of its own."""
    asked = span(number + 1, None, "server", "shop", "GET /", {"http.request.method": "GET"}, error=error, at=at)
    return asked._replace(trace_id=f"{number + 1:032x}")
