"""The map: which nodes and links are drawn from what was seen, where they stand, and what flows on them."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cart_observability.console.logs import lines
from cart_observability.console.map.graph import MOST_NODES, Graph, Traffic
from cart_observability.console.map.way import KEPT_SECONDS, Way, way
from cart_observability.console.records import Family, Line, Link, Span
from cart_observability.console.traces import spans
from support.observed_runs import SECOND, console_file, counted, observed, record, scraped, shown, timed

NOW = 1_800_000_000 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file with nothing in it."""
    with console_file() as connection:
        yield connection


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


METRICS: Sequence[Family] = [
    timed("http_server_request_duration_seconds", (100, 190, 190), http_response_status_code="202"),
    timed("http_server_request_duration_seconds", (0, 10, 10), http_response_status_code="503"),
    counted("cartscope_events_accepted_total", 190.0, event_type="cart.item_added"),
    counted("cartscope_events_published_total", 180.0, event_type="cart.item_added", outcome="confirmed"),
    counted("cartscope_events_published_total", 20.0, event_type="cart.threshold_reached", outcome="confirmed"),
    counted("messaging_client_sent_messages_total", 200.0, messaging_destination_name="cart.events", error_type=""),
    counted(
        "messaging_client_sent_messages_total", 10.0, messaging_destination_name="cart.events", error_type="unknown"
    ),
    counted("messaging_client_sent_messages_total", 290.0, messaging_destination_name="cart.results", error_type=""),
    counted("messaging_client_consumed_messages_total", 180.0, messaging_destination_name="cart.popularity"),
    counted("messaging_client_consumed_messages_total", 100.0, messaging_destination_name="cart.threshold"),
    counted(
        "cartscope_events_handled_total", 180.0, handler="popularity", event_type="cart.item_added", outcome="done"
    ),
    counted(
        "cartscope_events_handled_total", 0.0, handler="popularity", event_type="cart.item_added", outcome="retried"
    ),
    counted("cartscope_events_handled_total", 70.0, handler="threshold", event_type="cart.item_added", outcome="done"),
    counted(
        "cartscope_events_handled_total", 20.0, handler="threshold", event_type="cart.item_added", outcome="retried"
    ),
    counted(
        "cartscope_events_handled_total",
        10.0,
        handler="threshold",
        event_type="cart.item_added",
        outcome="dead_lettered",
    ),
    counted("cartscope_dead_letters_total", 10.0, handler="threshold", reason="failed"),
    counted("cartscope_notifications_sent_total", 5.0),
    timed("messaging_process_duration_seconds", (50, 100, 100), handler="threshold"),
    timed("cartscope_store_operation_duration_seconds", (10, 20, 20), store="redis"),
    shown("cartscope_outbox_pending_events", 7.0),
    shown("cartscope_outbox_oldest_event_age_seconds", 2.5),
    shown("cartscope_handler_in_flight_events", 3.0, handler="threshold"),
    shown("cartscope_queue_messages", 80.0, queue="cart.threshold"),
]


@pytest.fixture
def measured(connection: sqlite3.Connection) -> dict[str, Any]:
    """The chain with metrics, in which a handler is behind."""
    run = observed("carts")
    record(connection, run)
    scraped(connection, "all", run.end, _joined(METRICS))
    return way(connection, run.end)


def test_rates(measured: dict[str, Any]) -> None:
    """Rates come from metrics, as spans may be sampled; what a queue is sent is not what its handler takes."""
    assert {
        "caller:callers>service:cartscope-api": 20.0,
        "service:cartscope-api>store:redis": 19.0,
        "store:redis>service:cartscope-relay": 21.0,
        "service:cartscope-relay>bus:cart.events": 21.0,
        "bus:cart.events>queue:cart.popularity": 18.0,
        "bus:cart.events>queue:cart.threshold": 18.0,
        "queue:cart.popularity>handler:popularity": 18.0,
        "queue:cart.threshold>handler:threshold": 10.0,
        "handler:threshold>store:redis": 2.0,
        "handler:threshold>results:cart.results": 8.0,
        "handler:popularity>results:cart.results": 18.0,
        "handler:notification>outside:e-mails": 0.5,
    } == {
        name: link["rate"]
        for name, link in links(measured).items()
        if "cart.notification" not in name and name != "handler:notification>results:cart.results"
    }


def test_nodes_measured(measured: dict[str, Any]) -> None:
    """A node has what passes it, what waits at it and since when, what fails at it, and how long it takes."""
    found = nodes(measured)
    names = ("rate", "backlog", "oldest_age_s", "errors", "dead_letters")
    told = {name: tuple(found[name][key] for key in names) for name in found}
    assert (20.0, None, None, 1.0, None) == told["service:cartscope-api"]
    assert (21.0, 7.0, 2.5, 0.0, None) == told["store:redis"]
    assert (21.0, None, None, 1.0, None) == told["bus:cart.events"]
    assert (18.0, 80.0, None, 1.0, 10.0) == told["queue:cart.threshold"]
    assert (10.0, 3.0, None, 3.0, 10.0) == told["handler:threshold"]
    assert (18.0, None, None, 0.0, None) == told["handler:popularity"]
    assert 0.09 < found["handler:threshold"]["p99_s"] < 0.1
    assert 0.09 < found["store:redis"]["p99_s"] < 0.1


def test_what_comes_and_what_leaves(measured: dict[str, Any]) -> None:
    """By metrics comes to a queue what is published, and leaves for good what is taken and not to be tried again."""
    threshold, popularity = (nodes(measured)[f"queue:cart.{name}"] for name in ("threshold", "popularity"))
    assert (18.0, 8.0) == (threshold["arriving"], threshold["leaving"])
    assert (18.0, 18.0) == (popularity["arriving"], popularity["leaving"])


def test_refused_requests(connection: sqlite3.Connection) -> None:
    """A request that was not as it should be is refused, and no failure of who answered it."""
    record(connection, observed("parcels"))
    end = observed("parcels").end
    answers = [
        timed("http_server_request_duration_seconds", [count] * 3, http_response_status_code=status)
        for status, count in {"404": 20, "500": 15}.items()
    ]
    scraped(connection, "parcels-api", end, _joined(answers))
    asked = links(way(connection, end))["caller:callers>service:parcels-api"]
    assert (3.5, 1.5, 2.0) == (asked["rate"], asked["errors"], asked["refused"])


def test_queue_that_nobody_counts(connection: sqlite3.Connection) -> None:
    """Where spans alone tell, what comes to a queue is what is sent there, retries are not, and waits are seen."""
    looked = Way()
    _lend(connection, range(10), waiting=0)
    looked.drawn(connection, NOW)
    _lend(connection, range(10, 60), waiting=40, taken=20)
    drawn = looked.drawn(connection, NOW + 5 * SECOND)
    queue = nodes(drawn)["queue:shelf"]
    assert (10.0, 4.0) == (queue["arriving"], queue["leaving"])
    assert 40.0 == pytest.approx(queue["wait_s"], abs=0.1)
    assert (10.0, 4.0) == (
        links(drawn)["bus:library>queue:shelf"]["rate"],
        links(drawn)["queue:shelf>handler:fetcher"]["rate"],
    )


def test_retries_are_not_routed(connection: sqlite3.Connection) -> None:
    """What is taken again was not brought by the bus again, though each attempt is delivered."""
    looked = Way()
    _lend(connection, range(10), waiting=0)
    looked.drawn(connection, NOW)
    _lend(connection, range(10, 60), waiting=0)
    _lend(connection, range(10, 25), waiting=1, again=True)
    drawn = links(looked.drawn(connection, NOW + 5 * SECOND))
    assert (10.0, 13.0) == (
        drawn["bus:library>queue:shelf"]["rate"],
        drawn["queue:shelf>handler:fetcher"]["rate"],
    )


def test_waits_of_what_is_tried_again(connection: sqlite3.Connection) -> None:
    """That a few messages wait to be tried again does not say that the handler falls behind."""
    _lend(connection, range(20), waiting=0)
    _lend(connection, range(5), waiting=60, again=True)
    assert 0.1 > nodes(way(connection, NOW))["queue:shelf"]["wait_s"]


def test_sender_that_names_no_key(connection: sqlite3.Connection) -> None:
    """What is sent to a bus under a name that is not told may lead elsewhere: it is not said what comes to a queue."""
    looked = Way()
    _lend(connection, range(10), waiting=0, sent_to="library")
    looked.drawn(connection, NOW)
    _lend(connection, range(10, 60), waiting=0, taken=20, sent_to="library")
    drawn = looked.drawn(connection, NOW + 5 * SECOND)
    assert nodes(drawn)["queue:shelf"]["arriving"] is None
    assert 4.0 == links(drawn)["bus:library>queue:shelf"]["rate"]


def _lend(
    connection: sqlite3.Connection,
    loans: range,
    waiting: float,
    *,
    taken: int | None = None,
    sent_to: str = "library:lent",
    again: bool = False,
) -> None:
    """Loans are sent, and the first ones of them taken (again) after seconds of waiting, each in a trace of its own."""
    made = []
    for number in loans:
        sent = _span(1, None, "client", "desk", "publish library", _messaging("send", sent_to))
        taking = _span(3 if again else 2, 1, "consumer", "shelf", "process shelf", _messaging("process", TAKEN))
        at = NOW - SECOND
        sent_at = round(at - waiting * SECOND)
        lent = [] if again else [sent._replace(start=sent_at - 1000, end=sent_at)]
        if taken is None or number - loans.start < taken:
            named = {**taking.attributes, "cartscope.handler": "fetcher"}
            lent.append(taking._replace(start=at, end=at + 1000, attributes=named))
        made += [span._replace(trace_id=f"{number + 1:032x}") for span in lent]
    spans.record(connection, made)


TAKEN = "library:lent:shelf"


def test_what_flows_is_there(connection: sqlite3.Connection) -> None:
    """What metrics count was seen just now, though spans of it are older; what they do not count was not."""
    run = observed("carts")
    record(connection, run)
    families = [
        counted("messaging_client_consumed_messages_total", 9.0, messaging_destination_name="cart.popularity"),
        counted("messaging_client_consumed_messages_total", 0.0, messaging_destination_name="cart.threshold"),
    ]
    now = run.end + 60 * SECOND
    scraped(connection, "all", now, _joined(families))
    found = nodes(way(connection, now))
    assert now / 1e6 == found["handler:popularity"]["last"]
    assert run.end / 1e6 > found["handler:threshold"]["last"]
    assert 0.0 == found["handler:threshold"]["rate"]


def test_handler_known_by_its_metrics(connection: sqlite3.Connection) -> None:
    """Where metrics name handlers and no queues, what a handler processes came from its queue."""
    run = observed("parcels")
    record(connection, run)
    scraped(
        connection, "packer", run.end, [timed("messaging_process_duration_seconds", (1, 30, 30), handler="parcels")]
    )
    assert 3.0 == links(way(connection, run.end))["queue:parcels>handler:parcels"]["rate"]


def test_queues_beside_a_queue(connection: sqlite3.Connection) -> None:
    """What lies in RabbitMQ's queues for retries is a queue's backlog, what lies in the one for dead letters is not."""
    run = observed("carts")
    record(connection, run)
    sizes = {
        "cart.threshold": 5.0,
        "cart.threshold.retry.1000ms": 2.0,
        "cart.threshold.dead": 9.0,
        "cart.thresholds": 4.0,
    }
    gauges = [shown("rabbitmq_detailed_queue_messages", size, queue=queue) for queue, size in sizes.items()]
    scraped(connection, "rabbitmq", run.end, _joined(gauges))
    assert 7.0 == nodes(way(connection, run.end))["queue:cart.threshold"]["backlog"]


def test_rates_of_spans(connection: sqlite3.Connection) -> None:
    """Without metrics, rates are those of spans, from the second look on."""
    looked = Way()
    spans.record(connection, [_request(number, NOW) for number in range(10)])
    assert [None] == [link["rate"] for link in looked.drawn(connection, NOW)["links"]]
    spans.record(connection, [_request(number, NOW, error="500" if number % 4 else None) for number in range(10, 30)])
    [link] = looked.drawn(connection, NOW + 5 * SECOND)["links"]
    assert (4.0, 3.0) == (link["rate"], link["errors"])
    assert 3.0 == nodes(looked.drawn(connection, NOW + 5 * SECOND))["service:shop"]["errors"]
    looked.drawn(connection, NOW + 12 * SECOND)
    assert [0.0] == [link["rate"] for link in looked.drawn(connection, NOW + 18 * SECOND)["links"]]


def test_back_after_a_silence(connection: sqlite3.Connection) -> None:
    """What comes again after it was left out for its silence is not taken for all that ever came."""
    looked = Way()
    spans.record(connection, [_request(number, NOW) for number in range(1_000)])
    later = NOW + KEPT_SECONDS * SECOND
    for second in range(20, 0, -1):
        looked.drawn(connection, later - second * SECOND)
    assert [] == looked.drawn(connection, later + SECOND)["links"]
    spans.record(connection, [_request(1_000, later + SECOND)])
    for second in range(2, 20):
        [link] = looked.drawn(connection, later + second * SECOND)["links"]
        assert 0.4 > (link["rate"] or 0.0)


def test_service_without_metrics(connection: sqlite3.Connection) -> None:
    """Beside a service that is scraped, one that is not keeps the rate that its spans show."""
    looked = Way()
    for number in range(2):
        spans.record(connection, [_request(number, NOW)._replace(service=f"s{number}")])
    looked.drawn(connection, NOW)
    unscraped = [_request(number, NOW)._replace(service="s1") for number in range(2, 42)]
    spans.record(connection, [_request(number, NOW)._replace(service="s0") for number in range(42, 82)] + unscraped)
    now = NOW + 10 * SECOND
    scraped(connection, "s0", now, [timed("http_server_request_duration_seconds", (40, 40, 40))])
    found = links(looked.drawn(connection, now))
    assert [4.0, 4.0] == [found[f"caller:callers>service:s{number}"]["rate"] for number in range(2)]


def test_topic(connection: sqlite3.Connection) -> None:
    """What is sent to a topic and processed from it by links alone needs no exchange between."""
    sent = _span(
        1, None, "producer", "shop", "send orders", {**_messaging("send", "orders"), "messaging.system": "kafka"}
    )
    taken = _span(
        2,
        None,
        "consumer",
        "billing",
        "process orders",
        {**_messaging("process", "orders"), "messaging.consumer.group.name": "bills"},
    )
    spans.record(connection, [sent, taken._replace(links=[Link(TRACE, sent.span_id)])])
    assert [["service:shop"], ["queue:orders"], ["handler:bills"]] == columns(way(connection, NOW))


def test_handler_that_publishes_on(connection: sqlite3.Connection) -> None:
    """What a handler publishes and another one takes is the next part of the way, and no result."""
    spans.record(
        connection,
        [
            _span(1, None, "consumer", "packer", "process parcels", _messaging("process", "parcels:new:parcels")),
            _span(2, 1, "producer", "packer", "send packed", _messaging("send", "packed:done")),
            _span(3, 2, "consumer", "sender", "process packed", _messaging("process", "packed:done:to_send")),
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
            _span(1, None, "server", "shop", "GET /", {"http.request.method": "GET"}),
            _span(2, 1, "client", "shop", "GET", {"http.request.method": "GET", "server.address": "prices"}),
            _span(3, 2, "server", "prices", "GET /", {"http.request.method": "GET"}),
            _span(4, 3, "client", "prices", "SELECT", {"db.system.name": "postgresql", "server.address": "db"}),
            _span(5, None, "consumer", "packer", "process parcels", _messaging("process", "a:b:parcels")),
            _span(
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
    spans.record(connection, [_span(1, None, "client", "packer", "receive parcels", _messaging("receive", "parcels"))])
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
        _span(
            number,
            None,
            "consumer",
            "worker",
            "process",
            {**_messaging("process", f"x:y:q{number}"), "cartscope.handler": f"h{number}"},
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
        made = [_messaging("process", f"x:y:q{number}") | {"cartscope.handler": f"h{number}"} for number in handlers]
        spans.record(connection, [_span(n, None, "consumer", "w", "process", each) for n, each in enumerate(made, 1)])
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        way(connection, NOW + SECOND)
        connection.set_trace_callback(None)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_strange_names(connection: sqlite3.Connection) -> None:
    """Names are shown as they are, whatever they hold, and the map is JSON."""
    name = '<script>"\n\u202e>:'
    spans.record(connection, [_span(1, None, "server", name, "GET", {"http.request.method": "GET"})])
    lines.record(connection, [Line(NOW, "info", "x", "notification.sent", "", {"cartscope.handler": [1]})])
    drawn = json.loads(json.dumps(way(connection, NOW)))
    assert name == nodes(drawn)[f"service:{name}"]["name"]


def _span(
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
    parent_id = None if parent is None else f"{parent:016x}"
    return Span(TRACE, f"{number:016x}", parent_id, service, name, kind, at, at + 1000, error, attributes, ())


def _messaging(operation: str, destination: str) -> dict[str, str]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


def _request(number: int, at: int, error: str | None = None) -> Span:
    span = _span(number + 1, None, "server", "shop", "GET /", {"http.request.method": "GET"}, error=error, at=at)
    return span._replace(trace_id=f"{number + 1:032x}")


def _joined(families: Sequence[Family]) -> list[Family]:
    """Families of one name as one."""
    joined: dict[str, Family] = {}
    for family in families:
        before = joined.get(family.name)
        joined[family.name] = family if before is None else before._replace(samples=[*before.samples, *family.samples])
    return list(joined.values())
