"""The map: what flows on its links, and what waits at its nodes."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cart_observability.console.map.way import KEPT_SECONDS, Way, way
from cart_observability.console.records import Family
from cart_observability.console.traces import spans
from support.map_spans import NOW, links, messaging, nodes, request, span
from support.observed_runs import SECOND, console_file, counted, observed, record, scraped, shown, timed


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file with nothing in it."""
    with console_file() as connection:
        yield connection


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
    spans.record(connection, [request(number, NOW) for number in range(10)])
    assert [None] == [link["rate"] for link in looked.drawn(connection, NOW)["links"]]
    spans.record(connection, [request(number, NOW, error="500" if number % 4 else None) for number in range(10, 30)])
    [link] = looked.drawn(connection, NOW + 5 * SECOND)["links"]
    assert (4.0, 3.0) == (link["rate"], link["errors"])
    assert 3.0 == nodes(looked.drawn(connection, NOW + 5 * SECOND))["service:shop"]["errors"]
    looked.drawn(connection, NOW + 12 * SECOND)
    assert [0.0] == [link["rate"] for link in looked.drawn(connection, NOW + 18 * SECOND)["links"]]


def test_back_after_a_silence(connection: sqlite3.Connection) -> None:
    """What comes again after it was left out for its silence is not taken for all that ever came."""
    looked = Way()
    spans.record(connection, [request(number, NOW) for number in range(1_000)])
    later = NOW + KEPT_SECONDS * SECOND
    for second in range(20, 0, -1):
        looked.drawn(connection, later - second * SECOND)
    assert [] == looked.drawn(connection, later + SECOND)["links"]
    spans.record(connection, [request(1_000, later + SECOND)])
    for second in range(2, 20):
        [link] = looked.drawn(connection, later + second * SECOND)["links"]
        assert 0.4 > (link["rate"] or 0.0)


def test_service_without_metrics(connection: sqlite3.Connection) -> None:
    """Beside a service that is scraped, one that is not keeps the rate that its spans show."""
    looked = Way()
    for number in range(2):
        spans.record(connection, [request(number, NOW)._replace(service=f"s{number}")])
    looked.drawn(connection, NOW)
    unscraped = [request(number, NOW)._replace(service="s1") for number in range(2, 42)]
    spans.record(connection, [request(number, NOW)._replace(service="s0") for number in range(42, 82)] + unscraped)
    now = NOW + 10 * SECOND
    scraped(connection, "s0", now, [timed("http_server_request_duration_seconds", (40, 40, 40))])
    found = links(looked.drawn(connection, now))
    assert [4.0, 4.0] == [found[f"caller:callers>service:s{number}"]["rate"] for number in range(2)]


def test_sender_that_names_no_key(connection: sqlite3.Connection) -> None:
    """What is sent to a bus under a name that is not told may lead elsewhere: it is not said what comes to a queue."""
    looked = Way()
    _lend(connection, range(10), waiting=0, sent_to="library")
    looked.drawn(connection, NOW)
    _lend(connection, range(10, 60), waiting=0, taken=20, sent_to="library")
    drawn = looked.drawn(connection, NOW + 5 * SECOND)
    assert nodes(drawn)["queue:shelf"]["arriving"] is None
    assert 4.0 == links(drawn)["bus:library>queue:shelf"]["rate"]


TAKEN = "library:lent:shelf"


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
        sent = span(1, None, "client", "desk", "publish library", messaging("send", sent_to))
        taking = span(3 if again else 2, 1, "consumer", "shelf", "process shelf", messaging("process", TAKEN))
        at = NOW - SECOND
        sent_at = round(at - waiting * SECOND)
        lent = [] if again else [sent._replace(start=sent_at - 1000, end=sent_at)]
        if taken is None or number - loans.start < taken:
            named = {**taking.attributes, "cartscope.handler": "fetcher"}
            lent.append(taking._replace(start=at, end=at + 1000, attributes=named))
        made += [each._replace(trace_id=f"{number + 1:032x}") for each in lent]
    spans.record(connection, made)


def _joined(families: Sequence[Family]) -> list[Family]:
    """Families of one name as one."""
    joined: dict[str, Family] = {}
    for family in families:
        before = joined.get(family.name)
        joined[family.name] = family if before is None else before._replace(samples=[*before.samples, *family.samples])
    return list(joined.values())
