"""The verbs that record what happens in an event-driven service.

Durations and ages are in seconds. A counter or histogram takes an exemplar (trace and span id) from the span context
that is handed over, or else from the current span, when that is sampled.
"""

import asyncio
from collections import deque
from typing import Final

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id, get_current_span
from prometheus_client import CollectorRegistry

from cart_observability.definitions import (
    DependencyMetrics,
    EventMetrics,
    HandlerMetrics,
    MessagingMetrics,
    ServiceMetrics,
)
from cart_observability.families import Definer

HTTP_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


def exemplar_of(span_context: SpanContext | None = None) -> dict[str, str] | None:
    """The exemplar's labels for a span, by default the current one; None unless it is sampled."""
    context = get_current_span().get_span_context() if span_context is None else span_context
    if not context.trace_flags & 1:
        return None
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


class Metrics:
    """Everything that a process counts, in a registry that is passed in.

    Label values beyond the sixty-fourth of a label are counted together as `_other`.

    Args:
        registry: Where the metrics are registered; a registry takes one Metrics.
        messaging_system: `messaging.system` of the OpenTelemetry conventions.
    """

    def __init__(self, registry: CollectorRegistry, messaging_system: str = "rabbitmq") -> None:
        define = Definer(registry)
        self._events = EventMetrics(define)
        self._handlers = HandlerMetrics(define)
        self._dependencies = DependencyMetrics(define)
        self._messaging = MessagingMetrics(define)
        self._service = ServiceMetrics(define)
        self._system = messaging_system
        for signal in ("logs", "traces"):
            # Present from the start: a rate over a series that begins with its first loss does not see that loss.
            self.telemetry_dropped(signal, 0)
            self.telemetry_written(signal, 0)

    def use_messaging_system(self, name: str) -> None:
        """Sets `messaging.system` for what is recorded from here on."""
        self._system = name

    def event_accepted(self, event_type: str, *, span_context: SpanContext | None = None) -> None:
        """The store committed an event."""
        self._events.accepted.child(event_type).inc(1, exemplar_of(span_context))

    def event_repeated(self) -> None:
        """A command was answered with the event of an earlier one with its idempotency key."""
        self._events.repeated.inc()

    def command_rejected(self, command: str, reason: str) -> None:
        """A rule refused a command."""
        self._events.rejected.child(command, reason).inc(1, exemplar_of())

    def outbox_depth(self, pending: int, oldest_age_seconds: float) -> None:
        """How many events wait to be sent, and for how long the oldest has; 0 seconds when none does."""
        self._events.pending.set(pending)
        self._events.oldest.set(oldest_age_seconds)

    def event_published(
        self, event_type: str, outcome: str, amount: int = 1, *, span_context: SpanContext | None = None
    ) -> None:
        """The bus answered for `amount` events: confirmed, unroutable, refused or unknown; or was not asked to: sent.

        0 of them make the series present.
        """
        self._events.published.child(event_type, outcome).inc(amount, exemplar_of(span_context))

    def shards_held(self, count: int) -> None:
        """How many shards of the outbox this relay publishes."""
        self._events.shards.set(count)

    def queue_depth(self, queue: str, messages: int) -> None:
        """How many messages wait in a handler's queue, ready, in retry, and unsettled as far as the bus tells."""
        self._events.queues.child(queue).set(messages)

    def event_handled(
        self,
        handler: str,
        event_type: str,
        outcome: str,
        amount: int = 1,
        *,
        span_context: SpanContext | None = None,
    ) -> None:
        """Deliveries are finished: done, duplicate, retried, dead_lettered or failed.

        0 of them make the series present.
        """
        self._handlers.handled.child(handler, event_type, outcome).inc(amount, exemplar_of(span_context))

    def event_aged(self, handler: str, seconds: float, *, span_context: SpanContext | None = None) -> None:
        """How old an event was, by its own time, when its effect was committed."""
        self._handlers.age.child(handler).observe(seconds, exemplar_of(span_context))

    def dead_lettered(self, handler: str, reason: str, *, span_context: SpanContext | None = None) -> None:
        """A message was given up."""
        self._handlers.dead_letters.child(handler, reason).inc(1, exemplar_of(span_context))

    def slots(self, handler: str, count: int) -> None:
        """How many events a handler may have in work at once."""
        self._handlers.slots.child(handler).set(count)

    def in_flight(self, handler: str, delta: int) -> None:
        """Events received (positive) or settled (negative)."""
        self._handlers.in_flight.child(handler).inc(delta)

    def notification_sent(self, *, span_context: SpanContext | None = None) -> None:
        """The mail server took an e-mail."""
        self._handlers.notifications.inc(1, exemplar_of(span_context))

    def store_operation(self, store: str, operation: str, seconds: float, items: int) -> None:
        """A round trip or transaction, and how many items went together in it."""
        self._dependencies.store_duration.child(store, operation).observe(seconds, exemplar_of())
        self._dependencies.store_batch.child(store, operation).observe(items)

    def store_available(self, available: bool) -> None:  # noqa: FBT001 - the state itself, not a switch
        """The store answers, or does not."""
        self._dependencies.available.set(available)

    def bus_connected(self, connection: str, up: bool) -> None:  # noqa: FBT001 - the state itself, not a switch
        """A connection to the bus opened or was lost."""
        self._dependencies.connected.child(connection).set(up)
        # Present from then on, at 0: a rate over a series that begins with its first loss does not see that loss.
        self._dependencies.blocked.child(connection)
        self._dependencies.reconnects.child(connection)

    def bus_blocked(self, connection: str, blocked: bool) -> None:  # noqa: FBT001 - the state itself, not a switch
        """The broker stopped, or went on, reading from a connection."""
        self._dependencies.blocked.child(connection).set(blocked)

    def bus_reconnected(self, connection: str) -> None:
        """A lost connection is open again."""
        self._dependencies.reconnects.child(connection).inc()

    def waiters(self, delta: int) -> None:
        """Requests that began (positive) or ceased (negative) to wait for results."""
        self._service.waiters.inc(delta)

    def overloaded(self) -> None:
        """A request was refused because of overload."""
        self._service.overloads.inc(1, exemplar_of())

    def telemetry_dropped(self, signal: str, amount: int) -> None:
        """Log lines (`logs`) or spans (`traces`) were lost."""
        self._service.dropped.child(signal).inc(amount)

    def telemetry_written(self, signal: str, amount: int) -> None:
        """Log lines (`logs`) were written, or spans (`traces`) taken by the collector."""
        self._service.written.child(signal).inc(amount)

    def event_loop_lag(self, seconds: float) -> None:
        """How late the event loop runs what is due."""
        self._service.loop_lag.set(seconds)

    def http_request(
        self, method: str, route: str, status: int, seconds: float, *, span_context: SpanContext | None = None
    ) -> None:
        """A request was answered; `route` is the template, never the path. A method unknown to HTTP is `_OTHER`."""
        known = method if method in HTTP_METHODS else "_OTHER"
        self._service.http.child(known, route, str(status)).observe(seconds, exemplar_of(span_context))

    def client_operation(
        self,
        operation: str,
        destination: str,
        seconds: float,
        error_type: str | None = None,
        *,
        span_context: SpanContext | None = None,
    ) -> None:
        """An operation on the broker took this long; `error_type` only when it failed."""
        child = self._messaging.operation.child(operation, self._system, destination, error_type or "")
        child.observe(seconds, exemplar_of(span_context))

    def messages_sent(
        self,
        destination: str,
        amount: int = 1,
        error_type: str | None = None,
        *,
        span_context: SpanContext | None = None,
    ) -> None:
        """Messages were handed to the broker."""
        child = self._messaging.sent.child("publish", self._system, destination, error_type or "")
        child.inc(amount, exemplar_of(span_context))

    def messages_consumed(self, destination: str, amount: int = 1) -> None:
        """Messages were delivered, a redelivered one counts again."""
        self._messaging.consumed.child("receive", self._system, destination, "").inc(amount)

    def processed(
        self,
        handler: str,
        destination: str,
        seconds: float,
        error_type: str | None = None,
        *,
        span_context: SpanContext | None = None,
    ) -> None:
        """T_process of one message."""
        child = self._messaging.process.child("process", self._system, destination, error_type or "", handler)
        child.observe(seconds, exemplar_of(span_context))


async def watch_event_loop(metrics: Metrics, interval: float = 0.5, window: int = 10) -> None:
    """Samples until cancelled how late the event loop runs a timer, and keeps the worst of the last samples.

    Args:
        metrics: What records it.
        interval: Seconds between two samples.
        window: Samples of which the worst is shown, so that a stall between two scrapes is seen.
    """
    loop = asyncio.get_running_loop()
    samples: deque[float] = deque(maxlen=window)
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        samples.append(max(0.0, loop.time() - due))
        metrics.event_loop_lag(max(samples))
