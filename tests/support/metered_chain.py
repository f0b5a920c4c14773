"""The metrics of a chain whose every rate is known, as the console scrapes them."""

import sqlite3

from cart_observability.console.records import Exemplar, Family
from support.console_metrics import Process, at, counter, gauge, histogram

BOUNDS = (0.01, 0.1, 1.0)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def run(connection: sqlite3.Connection, seconds: int = 60, every: int = 2) -> None:
    """Scrape an API, a relay and a worker for so many seconds.

    Ten events are accepted a second. `threshold` and `popularity` take all of them; `popularity` gets nine done and
    retries one, and its queue grows by one. `notification` takes one in ten, of another type. Each works 50 ms on one.
    """
    api, relay, worker = (Process(connection, name) for name in ("api", "relay", "worker"))
    for now in range(0, seconds + 1, every):
        api.scraped(now, *_api(now))
        relay.scraped(now, *_relay(now))
        worker.scraped(now, *_worker(now))


def lending(connection: sqlite3.Connection) -> None:
    """Scrape a service without a store for a minute: its desk sends ten a second, its worker three that follow."""
    desk, worker = Process(connection, "desk"), Process(connection, "worker")
    for now in range(0, 61, 2):
        desk.scraped(now, counter("messaging_client_sent_messages_total", 10 * now))
        worker.scraped(
            now,
            counter("messaging_client_sent_messages_total", 3 * now),
            histogram("messaging_process_duration_seconds", (0.1,), [0.05] * 3 * now, handler="lender"),
        )


def _api(now: int) -> list[Family]:
    return [
        counter("cartscope_events_accepted_total", 10 * now, event_type="cart.item_added"),
        gauge("cartscope_outbox_pending_events", 0),
        gauge("cartscope_event_loop_lag_seconds", 0.002),
        histogram("http_server_request_duration_seconds", BOUNDS, [0.005] * 10 * now, http_route="/carts/{cart}/items"),
        counter("cartscope_telemetry_dropped_total", 0, signal="logs"),
    ]


def _relay(now: int) -> list[Family]:
    return [
        gauge("cartscope_outbox_pending_events", 4),
        gauge("cartscope_outbox_oldest_event_age_seconds", 0.25),
        counter("cartscope_events_published_total", 10 * now, event_type="cart.item_added", outcome="confirmed"),
        counter("cartscope_events_published_total", now, event_type="cart.threshold_reached", outcome="confirmed"),
        gauge("cartscope_queue_messages", 2, queue="cart.threshold"),
        gauge("cartscope_queue_messages", now, queue="cart.popularity"),
        gauge("cartscope_queue_messages", 0, queue="cart.notification"),
    ]


def _worker(now: int) -> list[Family]:
    return [
        *_handler("threshold", now, done=10, retried=0),
        *_handler("popularity", now, done=9, retried=1),
        *_handler("notification", now, done=1, retried=0, event_type="cart.threshold_reached"),
        counter("cartscope_dead_letters_total", 3, handler="popularity", reason="attempts exhausted"),
    ]


def _handler(name: str, now: int, done: int, retried: int, event_type: str = "cart.item_added") -> list[Family]:
    labels = {"handler": name, "event_type": event_type}
    exemplar = Exemplar(at(now - 1), 0.05, TRACE, None) if now else None
    return [
        gauge("cartscope_handler_slots", 2, handler=name),
        gauge("cartscope_handler_in_flight_events", 1, handler=name),
        counter("cartscope_events_handled_total", done * now, **labels, outcome="done"),
        counter("cartscope_events_handled_total", retried * now, **labels, outcome="retried"),
        counter("cartscope_events_handled_total", 0, **labels, outcome="dead_lettered"),
        counter("cartscope_events_handled_total", 0, **labels, outcome="duplicate"),
        histogram(
            "messaging_process_duration_seconds",
            BOUNDS,
            [0.05] * (done + retried) * now,
            exemplar,
            handler=name,
            messaging_destination_name=f"cart.{name}",
        ),
        histogram("cartscope_event_age_seconds", BOUNDS, [0.5] * done * now, handler=name),
    ]
