"""The metrics of an event-driven service, each defined once: name, meaning, labels, buckets.

`metrics.py` records them; `signals.yaml` says which process emits which.
"""

from typing import Final

from cart_observability.families import Definer

FINE_BUCKETS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025)
"""Below what the conventions advise: a handler in memory finishes well under a millisecond. Seconds."""
ADVISED_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Of the OpenTelemetry messaging and HTTP conventions, version 1.44.0. Seconds."""
DURATION_BUCKETS: Final = FINE_BUCKETS + ADVISED_BUCKETS
AGE_BUCKETS: Final = tuple(sorted((0.001, 0.0025, *ADVISED_BUCKETS, 2, 30, 60, 120, 300, 600, 1800, 3600)))
"""From an event just made to one that waited an hour behind a stopped handler; 2 is the objective's bound. Seconds."""
BATCH_BUCKETS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
"""Commands or events that went together in one round trip or transaction."""


class EventMetrics:
    """From the command to the bus."""

    def __init__(self, define: Definer) -> None:
        self.accepted = define.counters("cartscope_events_accepted", "Events accepted by the store.", "event_type")
        self.repeated = define.total(
            "cartscope_commands_repeated", "Commands answered with the event that their idempotency key already has."
        )
        self.rejected = define.counters(
            "cartscope_commands_rejected", "Commands that a rule refused.", "command", "reason"
        )
        self.pending = define.level("cartscope_outbox_pending_events", "Events committed and not yet sent.")
        self.oldest = define.level(
            "cartscope_outbox_oldest_event_age_seconds", "Age of the oldest event that is not yet sent."
        )
        self.published = define.counters(
            "cartscope_events_published", "Events published, by what the bus said.", "event_type", "outcome"
        )
        self.shards = define.level("cartscope_relay_shards_held", "Outbox shards that this relay publishes.")
        self.queues = define.gauges(
            "cartscope_queue_messages", "Messages that wait in a handler's queue, those in retry included.", "queue"
        )


class HandlerMetrics:
    """From the bus to the committed effect."""

    def __init__(self, define: Definer) -> None:
        self.handled = define.counters(
            "cartscope_events_handled", "Deliveries finished.", "handler", "event_type", "outcome"
        )
        self.age = define.histograms(
            "cartscope_event_age_seconds",
            "From the event's own time to the commit of its effect.",
            AGE_BUCKETS,
            "handler",
        )
        self.dead_letters = define.counters("cartscope_dead_letters", "Messages given up.", "handler", "reason")
        self.slots = define.gauges("cartscope_handler_slots", "Events that may be in work at once.", "handler")
        self.in_flight = define.gauges(
            "cartscope_handler_in_flight_events", "Events received and not yet settled.", "handler"
        )
        self.notifications = define.total("cartscope_notifications_sent", "E-mails handed to the mail server.")


class DependencyMetrics:
    """Stores and buses, as this process sees them."""

    def __init__(self, define: Definer) -> None:
        self.store_duration = define.histograms(
            "cartscope_store_operation_duration_seconds",
            "One round trip or transaction.",
            DURATION_BUCKETS,
            "store",
            "operation",
        )
        self.store_batch = define.histograms(
            "cartscope_store_batch_items",
            "Items that went together in one store operation.",
            BATCH_BUCKETS,
            "store",
            "operation",
        )
        self.available = define.level("cartscope_store_available", "1 while the store answers.")
        self.connected = define.gauges("cartscope_bus_connected", "1 while the connection is open.", "connection")
        self.blocked = define.gauges(
            "cartscope_bus_blocked", "1 while the broker refuses to read from the connection.", "connection"
        )
        self.reconnects = define.counters(
            "cartscope_bus_reconnects", "Connections opened again after a loss.", "connection"
        )


class MessagingMetrics:
    """Of the OpenTelemetry messaging conventions, version 1.44.0, under their Prometheus names."""

    CLIENT = ("messaging_operation_name", "messaging_system", "messaging_destination_name", "error_type")

    def __init__(self, define: Definer) -> None:
        self.operation = define.histograms(
            "messaging_client_operation_duration_seconds",
            "From asking the broker to its answer.",
            DURATION_BUCKETS,
            *self.CLIENT,
        )
        self.sent = define.counters("messaging_client_sent_messages", "Messages handed to the broker.", *self.CLIENT)
        self.consumed = define.counters(
            "messaging_client_consumed_messages", "Messages delivered, each delivery once.", *self.CLIENT
        )
        self.process = define.histograms(
            "messaging_process_duration_seconds",
            "T_process: the work on one message.",
            DURATION_BUCKETS,
            *self.CLIENT,
            "handler",
        )


class ServiceMetrics:
    """The process itself: its HTTP side, its event loop, and what its telemetry wrote or lost."""

    def __init__(self, define: Definer) -> None:
        self.http = define.histograms(
            "http_server_request_duration_seconds",
            "HTTP requests, from the first byte to the last.",
            ADVISED_BUCKETS,
            "http_request_method",
            "http_route",
            "http_response_status_code",
        )
        self.waiters = define.level("cartscope_api_waiters", "Requests that wait for results.")
        self.overloads = define.total("cartscope_api_overloads", "Requests refused because of overload.")
        self.loop_lag = define.level(
            "cartscope_event_loop_lag_seconds", "How late the event loop ran a timer, the worst of the last seconds."
        )
        self.dropped = define.counters("cartscope_telemetry_dropped", "Log lines and spans lost.", "signal")
        self.written = define.counters("cartscope_telemetry_written", "Log lines and spans written.", "signal")
