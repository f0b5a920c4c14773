"""The charts that the console draws, in a table: what each tells, and how its lines are made."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from cart_observability.console.charts.measures import (
    HANDLER,
    Measure,
    both,
    errors,
    first_of,
    incoming,
    largest,
    level,
    quantile,
    quantiles,
    rate,
    ratio,
)

QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
P99: Final = 0.99
ACCEPTED: Final = "cartscope_events_accepted_total"
HANDLED: Final = "cartscope_events_handled_total"
PROCESS: Final = "messaging_process_duration_seconds"
AGE: Final = "cartscope_event_age_seconds"
OPERATION: Final = "messaging_client_operation_duration_seconds"
HTTP: Final = "http_server_request_duration_seconds"
QUEUED: Final = ("cartscope_queue_messages", "rabbitmq_detailed_queue_messages")


class Chart(NamedTuple):
    """One chart.

    Attributes:
        name: By which it is asked for.
        title: Above it.
        unit: per_second, seconds, count, share or bytes.
        group: Of what it tells: chain, handlers, bus or process.
        about: In a sentence.
        measure: How its lines are made.
        exemplars: The histogram whose observations are shown as points, and the label that those go by.
    """

    name: str
    title: str
    unit: str
    group: str
    about: str
    measure: Measure
    exemplars: tuple[str, str] | None = None


TABLE: Final = (
    Chart(
        "arrival_rate",
        "Arrival rate λ",
        "per_second",
        "chain",
        "Events that come in from outside; those that follow from others are not among them.",
        first_of(rate(ACCEPTED, title="λ"), incoming("λ")),
    ),
    Chart(
        "throughput",
        "Throughput",
        "per_second",
        "chain",
        "Events whose effect was committed, by handler.",
        rate(HANDLED, HANDLER, outcome="done"),
    ),
    Chart(
        "event_age",
        "Event age, p99",
        "seconds",
        "chain",
        "From an event's own time to the commit of its effect; one in a hundred took longer.",
        quantile(AGE, P99, HANDLER),
        (AGE, HANDLER),
    ),
    Chart(
        "backlog",
        "Backlog",
        "count",
        "chain",
        "Events that wait: in each queue to be handled, and in the store to be published where they are kept first.",
        both(
            largest("cartscope_outbox_pending_events", title="outbox"),
            first_of(*(largest(metric, "queue") for metric in QUEUED)),
        ),
    ),
    Chart(
        "oldest_waiting",
        "Oldest unpublished event",
        "seconds",
        "chain",
        "Age of the oldest event that is kept in a store until it is published.",
        largest("cartscope_outbox_oldest_event_age_seconds", title="oldest"),
    ),
    Chart(
        "process_time",
        "T_process",
        "seconds",
        "handlers",
        "The work on one message: half, 95 % and 99 % took no longer.",
        quantiles(PROCESS, QUANTILES),
        (PROCESS, HANDLER),
    ),
    Chart(
        "process_time_by_handler",
        "T_process by handler, p99",
        "seconds",
        "handlers",
        "The work on one message; one in a hundred took longer.",
        quantile(PROCESS, P99, HANDLER),
        (PROCESS, HANDLER),
    ),
    Chart(
        "utilisation",
        "Utilisation ρ",
        "share",
        "handlers",
        "Share of time that a slot of the handler is busy; from 1 on the backlog grows.",
        ratio(rate(f"{PROCESS}_sum", HANDLER), level("cartscope_handler_slots", HANDLER)),
    ),
    Chart(
        "in_flight",
        "In flight",
        "count",
        "handlers",
        "Events received and not yet settled, by handler.",
        level("cartscope_handler_in_flight_events", HANDLER),
    ),
    Chart(
        "failures",
        "Failures",
        "per_second",
        "handlers",
        "Attempts that are to be repeated, messages given up, and errors of which no more is known, by handler.",
        both(
            rate(HANDLED, HANDLER, "outcome", outcome=("retried", "dead_lettered", "failed")),
            errors(PROCESS, told=HANDLED),
        ),
    ),
    Chart(
        "duplicates",
        "Duplicates",
        "per_second",
        "handlers",
        "Deliveries whose effect stood already, by handler.",
        rate(HANDLED, HANDLER, outcome="duplicate"),
    ),
    Chart(
        "publish_time",
        "Publishing",
        "seconds",
        "bus",
        "From handing a message to the bus to its answer: half, 95 % and 99 % took no longer.",
        quantiles(OPERATION, QUANTILES, messaging_operation_name="publish"),
        (OPERATION, "messaging_destination_name"),
    ),
    Chart(
        "published",
        "Published",
        "per_second",
        "bus",
        "Events published, by what the bus said.",
        rate("cartscope_events_published_total", "outcome"),
    ),
    Chart(
        "store_time",
        "Store, p99",
        "seconds",
        "bus",
        "One round trip or transaction, by operation; one in a hundred took longer.",
        quantile("cartscope_store_operation_duration_seconds", P99, "operation"),
    ),
    Chart(
        "http_rate",
        "HTTP requests",
        "per_second",
        "process",
        "Requests answered, by route.",
        rate(HTTP, "http_request_method", "http_route"),
    ),
    Chart(
        "http_time",
        "HTTP duration",
        "seconds",
        "process",
        "From a request's first byte to its answer's last: half, 95 % and 99 % took no longer.",
        quantiles(HTTP, QUANTILES),
        (HTTP, "http_route"),
    ),
    Chart(
        "http_statuses",
        "HTTP answers",
        "per_second",
        "process",
        "Requests answered, by status.",
        rate(HTTP, "http_response_status_code"),
    ),
    Chart(
        "loop_lag",
        "Event loop lag",
        "seconds",
        "process",
        "How late the event loop ran a timer, the worst of some seconds, by process.",
        largest("cartscope_event_loop_lag_seconds", "process"),
    ),
    Chart(
        "telemetry_dropped",
        "Telemetry lost",
        "per_second",
        "process",
        "Log lines and spans that a process could not get rid of.",
        rate("cartscope_telemetry_dropped_total", "signal"),
    ),
)
CHARTS: Final[Mapping[str, Chart]] = {chart.name: chart for chart in TABLE}
