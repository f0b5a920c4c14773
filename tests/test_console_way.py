"""The map: which nodes and links are drawn from what was seen, and where they stand."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart_observability.console.logs import lines
from cart_observability.console.map.graph import MOST_NODES, Graph, Traffic
from cart_observability.console.map.way import KEPT_SECONDS, way
from cart_observability.console.records import Line, Link
from cart_observability.console.traces import spans
from support.map_spans import NOW, TRACE, columns, kinds, links, messaging, nodes, span
from support.observed_runs import SECOND, console_file, counted, observed, record, scraped, timed


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file with nothing in it."""
    with console_file() as connection:
        yield connection


CHAIN = [
    ["caller:callers"],
    ["service:cartscope-api"],
    ["store:store"],
    ["service:cartscope-relay"],
    ["bus:cart.events"],
    ["queue:cart.notification", "queue:cart.popularity", "queue:cart.threshold"],
    ["handler:notification", "handler:popularity", "handler:threshold"],
    ["outside:e-mails", "results:cart.results"],
]


def test_chain(connection: sqlite3.Connection) -> None:
    """Spans and lines of two carts are enough for the whole way, from the caller to the e-mail."""
    run = observed("carts")
    record(connection, run)
    drawn = way(connection, run.end)
    assert CHAIN == columns(drawn)
    assert {
        "caller:callers>service:cartscope-api": "request",
        "service:cartscope-api>store:store": "commit",
        "store:store>service:cartscope-relay": "publish",
        "service:cartscope-relay>bus:cart.events": "publish",
        "bus:cart.events>queue:cart.notification": "route",
        "bus:cart.events>queue:cart.popularity": "route",
        "bus:cart.events>queue:cart.threshold": "route",
        "queue:cart.notification>handler:notification": "deliver",
        "queue:cart.popularity>handler:popularity": "deliver",
        "queue:cart.threshold>handler:threshold": "deliver",
        "handler:threshold>store:store": "follow_up",
        "handler:notification>outside:e-mails": "send",
        "handler:notification>results:cart.results": "result",
        "handler:popularity>results:cart.results": "result",
        "handler:threshold>results:cart.results": "result",
    } == kinds(drawn)
    assert "cartscope-worker-threshold" == nodes(drawn)["handler:threshold"]["service"]


def test_another_service(connection: sqlite3.Connection) -> None:
    """A service with requests and pika's messages alone is drawn without a store, from its callers to its consumer."""
    run = observed("parcels")
    record(connection, run)
    drawn = way(connection, run.end)
    assert [
        ["caller:callers"],
        ["service:parcels-api"],
        ["bus:parcels"],
        ["queue:parcels"],
        ["handler:parcels"],
    ] == columns(drawn)
    assert ["route", "request", "deliver", "publish"] == list(kinds(drawn).values())


def test_nothing_seen(connection: sqlite3.Connection) -> None:
    """Where nothing was seen, nothing is drawn."""
    assert {"nodes": [], "links": [], "left_out": 0} == way(connection, NOW)


def test_kept_for_a_while(tmp_path: Path) -> None:
    """A node that is silent stays for ten minutes and says since when, over a restart too; then it goes."""
    run = observed("parcels")
    with console_file(tmp_path / "signals.db") as connection:
        record(connection, run)
    with console_file(tmp_path / "signals.db") as connection:
        drawn = way(connection, run.end + (KEPT_SECONDS - 2) * SECOND)
        assert 5 == len(drawn["nodes"])
        processed = [span.end for span in run.spans if span.name == "process parcels"]
        assert max(processed) / 1e6 == nodes(drawn)["handler:parcels"]["last"]
        assert [] == way(connection, run.end + KEPT_SECONDS * SECOND)["nodes"]


def test_handler_known_by_its_metrics(connection: sqlite3.Connection) -> None:
    """Where metrics name handlers and no queues, what a handler processes came from its queue."""
    run = observed("parcels")
    record(connection, run)
    scraped(
        connection, "packer", run.end, [timed("messaging_process_duration_seconds", (1, 30, 30), handler="parcels")]
    )
    assert 3.0 == links(way(connection, run.end))["queue:parcels>handler:parcels"]["rate"]


def test_topic(connection: sqlite3.Connection) -> None:
    """What is sent to a topic and processed from it by links alone needs no exchange between."""
    sent = span(
        1, None, "producer", "shop", "send orders", {**messaging("send", "orders"), "messaging.system": "kafka"}
    )
    taken = span(
        2,
        None,
        "consumer",
        "billing",
        "process orders",
        {**messaging("process", "orders"), "messaging.consumer.group.name": "bills"},
    )
    spans.record(connection, [sent, taken._replace(links=[Link(TRACE, sent.span_id)])])
    assert [["service:shop"], ["queue:orders"], ["handler:bills"]] == columns(way(connection, NOW))


def test_handler_that_publishes_on(connection: sqlite3.Connection) -> None:
    """What a handler publishes and another one takes is the next part of the way, and no result."""
    spans.record(
        connection,
        [
            span(1, None, "consumer", "packer", "process parcels", messaging("process", "parcels:new:parcels")),
            span(2, 1, "producer", "packer", "send packed", messaging("send", "packed:done")),
            span(3, 2, "consumer", "sender", "process packed", messaging("process", "packed:done:to_send")),
        ],
    )
    drawn = way(connection, NOW)
    assert [
        ["bus:parcels"],
        ["queue:parcels"],
        ["handler:packer"],
        ["bus:packed"],
        ["queue:to_send"],
        ["handler:sender"],
    ] == columns(drawn)
    assert "publish" == kinds(drawn)["handler:packer>bus:packed"]


def test_calls(connection: sqlite3.Connection) -> None:
    """What a service or a handler calls is drawn: another service, a database, somebody outside."""
    spans.record(
        connection,
        [
            span(1, None, "server", "shop", "GET /", {"http.request.method": "GET"}),
            span(2, 1, "client", "shop", "GET", {"http.request.method": "GET", "server.address": "prices"}),
            span(3, 2, "server", "prices", "GET /", {"http.request.method": "GET"}),
            span(4, 3, "client", "prices", "SELECT", {"db.system.name": "postgresql", "server.address": "db"}),
            span(5, None, "consumer", "packer", "process parcels", messaging("process", "a:b:parcels")),
            span(
                6,
                5,
                "client",
                "packer",
                "POST",
                {"http.request.method": "POST", "server.address": "post.example"},
                error="500",
            ),
        ],
    )
    assert {
        "caller:callers>service:shop": "request",
        "service:shop>service:prices": "request",
        "service:prices>store:postgresql": "commit",
        "bus:a>queue:parcels": "route",
        "queue:parcels>handler:packer": "deliver",
        "handler:packer>outside:post.example": "send",
    } == kinds(way(connection, NOW))


def test_consumer_without_process_spans(connection: sqlite3.Connection) -> None:
    """A service that only says that it received is drawn behind its queue."""
    spans.record(connection, [span(1, None, "client", "packer", "receive parcels", messaging("receive", "parcels"))])
    assert {"queue:parcels>service:packer": "deliver"} == kinds(way(connection, NOW))


def test_before_anything_is_published(connection: sqlite3.Connection) -> None:
    """What is made and not yet published is in a store."""
    run = observed("carts")
    born = [span for span in run.spans if span.service == "cartscope-api"]
    spans.record(connection, born)
    assert [["caller:callers"], ["service:cartscope-api"], ["store:store"]] == columns(way(connection, run.end))


NATIVE = {
    "api": [
        timed("http_server_request_duration_seconds", (100, 100, 100)),
        counted("cartscope_events_accepted_total", 100.0, event_type="a"),
    ],
    "relay": [
        counted("cartscope_events_published_total", 100.0, event_type="a", outcome="confirmed"),
        counted("messaging_client_sent_messages_total", 100.0, messaging_destination_name="cart.events"),
    ],
    "worker": [
        timed(
            "messaging_process_duration_seconds",
            (9, 90, 90),
            handler="threshold",
            messaging_destination_name="cart.threshold",
        ),
        counted("messaging_client_sent_messages_total", 90.0, messaging_destination_name="cart.results"),
    ],
}


def test_metrics_alone(connection: sqlite3.Connection) -> None:
    """Without any span, metrics of processes still show who is there and how much flows."""
    for process, families in NATIVE.items():
        scraped(connection, process, NOW, families)
    drawn = way(connection, NOW)
    assert [
        ["caller:callers"],
        ["service:api"],
        ["store:store"],
        ["service:relay"],
        ["bus:cart.events"],
        ["queue:cart.threshold"],
        ["handler:threshold"],
        ["results:cart.results"],
    ] == columns(drawn)
    assert 9.0 == links(drawn)["queue:cart.threshold>handler:threshold"]["rate"]
    assert 10.0 == links(drawn)["service:relay>bus:cart.events"]["rate"]


def test_circle() -> None:
    """A way back makes no further column: neither a follow-up nor whatever else closes a circle."""
    graph = Graph()
    caller, api, bus, handler = (graph.node(kind, "x", 1) for kind in ("caller", "service", "bus", "handler"))
    for source, target, kind in ((caller, api, "request"), (api, bus, "publish"), (bus, handler, "deliver")):
        graph.link(source, target, kind, Traffic())
    graph.link(handler, bus, "follow_up", Traffic())
    graph.link(handler, api, "result", Traffic())
    graph.link(handler, handler, "send", Traffic())
    assert [0, 1, 2, 3] == [node["column"] for node in graph.drawing()["nodes"]]


def test_longest_way() -> None:
    """A node stands behind everything that leads to it, however short another way is."""
    graph = Graph()
    one, two, three = (graph.node("service", name, 1) for name in ("a", "b", "c"))
    graph.link(one, three, "request", Traffic())
    graph.link(one, two, "request", Traffic())
    graph.link(two, three, "request", Traffic())
    assert {"a": 0, "b": 1, "c": 2} == {node["name"]: node["column"] for node in graph.drawing()["nodes"]}


def test_queues_without_end(connection: sqlite3.Connection) -> None:
    """Of thousands of names no more is drawn than can be seen, the latest; the others are counted."""
    made = [
        span(
            number,
            None,
            "consumer",
            "worker",
            "process",
            {**messaging("process", f"x:y:q{number}"), "cartscope.handler": f"h{number}"},
            at=NOW + number,
        )
        for number in range(1, 2_500)
    ]
    spans.record(connection, made)
    drawn = way(connection, NOW + SECOND)
    assert MOST_NODES == len(drawn["nodes"])
    assert "queue:q2499" in nodes(drawn)
    assert drawn["left_out"] > 500


def test_questions(connection: sqlite3.Connection) -> None:
    """However many are seen, the map, which is drawn anew each second, asks the file as much as for a few."""
    counts = []
    for handlers in (range(5), range(5, 200)):
        made = [messaging("process", f"x:y:q{number}") | {"cartscope.handler": f"h{number}"} for number in handlers]
        spans.record(connection, [span(n, None, "consumer", "w", "process", each) for n, each in enumerate(made, 1)])
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        way(connection, NOW + SECOND)
        connection.set_trace_callback(None)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_strange_names(connection: sqlite3.Connection) -> None:
    """Names are shown as they are, whatever they hold, and the map is JSON."""
    name = '<script>"\n\u202e>:'
    spans.record(connection, [span(1, None, "server", name, "GET", {"http.request.method": "GET"})])
    lines.record(connection, [Line(NOW, "info", "x", "notification.sent", "", {"cartscope.handler": [1]})])
    drawn = json.loads(json.dumps(way(connection, NOW)))
    assert name == nodes(drawn)[f"service:{name}"]["name"]
