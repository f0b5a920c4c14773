"""The capacity of handlers as the console measures it, of a chain whose every rate is known."""

import json
import sqlite3
from collections.abc import Iterator

import pytest

from cart_observability.console.charts.planning import Unsupposable, capacity, curves
from support import metered_chain
from support.console_metrics import Process, at, condense, counter, gauge, histogram, metrics_file

NOW = at(60.5)
WINDOW = 60.0


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    """A file in which the chain was recorded for a minute."""
    with metrics_file() as connection:
        metered_chain.run(connection)
        yield connection


def test_a_steady_handler(connection: sqlite3.Connection) -> None:
    """Ten events a second of 50 ms in two slots, done half a second old; its share of the outbox waits for it too."""
    found = capacity(connection, NOW, WINDOW)
    assert 10 == found["arrival_rate"]
    assert {
        "arrival_rate": 10,
        "processing_seconds": 0.05,
        "slots": 2,
        "backlog": 2,
        "utilisation": 0.25,
        "service_rate": 40,
        "headroom": 22,
        "slots_needed": 1,
        "waiting_seconds": 0.05 * 0.0625 / (1 - 0.0625),
        "drain_seconds": 2 / 30,
        "backlog_in_an_hour": 0,
        "events_measured": 2 + 4 * 10 / 11,
        "events_computed": 5,
        "busy_slots": 0.5,
    } == pytest.approx(found["handlers"]["threshold"])


def test_a_handler_that_falls_behind(connection: sqlite3.Connection) -> None:
    """What its queue grows by has come to it as well."""
    found = capacity(connection, NOW, WINDOW)["handlers"]["popularity"]
    assert (11, 60) == pytest.approx((found["arrival_rate"], found["backlog"]), rel=0.01)


def test_what_if(connection: sqlite3.Connection) -> None:
    """Five times the load with one slot is more than the handler can take: it never drains, and infinity is written."""
    found = capacity(connection, NOW, WINDOW, arrival_rate=50, slots={"threshold": 1})
    threshold = found["handlers"]["threshold"]
    assert (50, 50, 2.5) == (found["arrival_rate"], threshold["arrival_rate"], threshold["utilisation"])
    assert ("Infinity", "Infinity") == (threshold["drain_seconds"], threshold["waiting_seconds"])
    assert 2 + 30 * 3600 == threshold["backlog_in_an_hour"]
    assert 2 == found["handlers"]["popularity"]["slots"]
    assert found == json.loads(json.dumps(found, allow_nan=False))


def test_what_cannot_be_supposed(connection: sqlite3.Connection) -> None:
    """A handler that there is not is said to be none; no load can be scaled where nothing came."""
    with pytest.raises(Unsupposable, match="notification, popularity, threshold"):
        capacity(connection, NOW, WINDOW, slots={"nobody": 4})
    with metrics_file() as empty, pytest.raises(Unsupposable, match="no event was accepted"):
        capacity(empty, NOW, WINDOW, arrival_rate=5)


def test_nothing_known() -> None:
    """Without samples there is no handler, and no curve."""
    with metrics_file() as empty:
        assert {"arrival_rate": 0.0, "handlers": {}, "curves": {}} == capacity(empty, NOW, WINDOW)


def test_a_handler_that_nothing_came_to() -> None:
    """Without a single event there is no processing time, and nothing follows; its queue is known by its name alone."""
    with metrics_file() as connection:
        worker, relay = Process(connection), Process(connection, "relay")
        for now in range(0, 61, 2):
            worker.scraped(now, gauge("cartscope_handler_slots", 1, handler="loyalty"))
            relay.scraped(now, gauge("cartscope_queue_messages", 3, queue="cart.loyalty"))
        found = capacity(connection, NOW, WINDOW)["handlers"]["loyalty"]
    assert (0, 1, 3, None, None) == tuple(
        found[name] for name in ("arrival_rate", "slots", "backlog", "processing_seconds", "utilisation")
    )


def test_a_handler_whose_slots_nobody_tells_of() -> None:
    """Rate and processing time are known, and so how many slots are busy, but not what more it could take."""
    with metrics_file() as connection:
        worker = Process(connection)
        for now in range(0, 61, 2):
            observed = [0.25] * 8 * now
            worker.scraped(now, histogram("messaging_process_duration_seconds", (0.1,), observed, handler="lender"))
        found = capacity(connection, NOW, WINDOW)["handlers"]["lender"]
        supposed = capacity(connection, NOW, WINDOW, slots={"lender": 4})["handlers"]["lender"]
    assert (8, 0.25, 2) == pytest.approx(
        (found["arrival_rate"], found["processing_seconds"], found["busy_slots"]), rel=0.01
    )
    assert {None} == {found[name] for name in ("slots", "utilisation", "headroom", "slots_needed", "service_rate")}
    assert (4, 0.5) == pytest.approx((supposed["slots"], supposed["utilisation"]), rel=0.01)


def test_what_comes_in_where_no_store_counts() -> None:
    """What handlers send themselves follows from what came in, and is no part of it."""
    with metrics_file() as connection:
        metered_chain.lending(connection)
        assert 10 == pytest.approx(capacity(connection, NOW, WINDOW)["arrival_rate"], rel=0.01)


def test_queues_that_only_the_broker_tells_of() -> None:
    """Of a broker's queues a handler's own is its backlog; what is to be retried is on its way too, no dead letter."""
    with metrics_file() as connection:
        worker, broker = Process(connection), Process(connection, "rabbitmq")
        for now in range(0, 61, 5):
            destination, observed = "cart.events:work", [0.05] * 4 * now
            worker.scraped(
                now,
                gauge("cartscope_handler_slots", 1, handler="threshold"),
                histogram(
                    "messaging_process_duration_seconds",
                    (0.1,),
                    observed,
                    handler="threshold",
                    messaging_destination_name=destination,
                ),
            )
            if now % 15 == 0:
                queues = {"work": 6, "work.retry.1000ms": 2, "work.dead": 88}
                broker.scraped(now, *(gauge("rabbitmq_detailed_queue_messages", n, queue=q) for q, n in queues.items()))
        found = capacity(connection, NOW, WINDOW)["handlers"]["threshold"]
    assert (4, 6, 8) == pytest.approx((found["arrival_rate"], found["backlog"], found["events_measured"]))


def test_a_handler_whose_queue_nobody_tells_of() -> None:
    """Without a queue's metrics arrivals are what was handled, and all about the backlog is unknown, not zero."""
    with metrics_file() as connection:
        worker = Process(connection)
        for now in range(0, 61, 2):
            slots = gauge("cartscope_handler_slots", 1, handler="threshold")
            worker.scraped(
                now, slots, histogram("messaging_process_duration_seconds", (0.1,), [0.05] * now, handler="threshold")
            )
        found = capacity(connection, NOW, WINDOW)["handlers"]["threshold"]
    assert 1 == pytest.approx(found["arrival_rate"])
    assert {None} == {found[name] for name in ("backlog", "drain_seconds", "backlog_in_an_hour", "events_measured")}


@pytest.mark.parametrize("hours", [0.25, 10])
def test_curves(hours: float) -> None:
    """What one event took under each load is as it was measured, in points of half a minute, or more in a long time."""
    seconds = round(hours * 3600)
    half = seconds / 2
    with metrics_file() as connection:
        worker, count, busy = Process(connection), 0.0, 0.0
        for now in range(0, seconds + 1, 10):
            worker.scraped(
                now,
                counter("messaging_process_duration_seconds_count", count, handler="threshold"),
                counter("messaging_process_duration_seconds_sum", busy, handler="threshold"),
            )
            load, mean = (2, 0.1) if now < half else (20, 0.4)
            count, busy = count + load * 10, busy + load * 10 * mean
        condense(connection, at(seconds))
        points = curves(connection, at(seconds))["threshold"]
    assert 25 <= len(points) <= 361
    assert (2, 0.1) == pytest.approx((points[1]["load"], points[1]["seconds"]))
    assert (20, 0.4) == pytest.approx((points[-1]["load"], points[-1]["seconds"]))
    assert all(at(0) / 1e6 <= point["time"] <= at(seconds) / 1e6 for point in points)
