"""Spans and metrics of messages on their way, by the OpenTelemetry messaging conventions, version 1.44.0.

The create span's context travels in the message; publish and process spans are its children, so that a message which
is handled, retried and answered is one unbroken tree. Batches (receive, commit) use links. Times named `..._ns` are
nanoseconds since the epoch (`time.time_ns`), durations are seconds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Final, NamedTuple

from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import cloudevents_attributes as cloudevents
from opentelemetry.semconv._incubating.attributes import messaging_attributes as names
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from cart_observability.processing import Processing, describe_event, receive_span
from cart_observability.telemetry import Telemetry
from cart_observability.tracing import Headers, extract, inject, is_unsampled

__all__ = ("Creation", "Messaging", "Processing", "Publishing", "destination_of")

RECEIVE_LINKS: Final = 128
"""What the OpenTelemetry SDK keeps of the links of one span."""
CONFIRMED: Final = "confirmed"
SENT: Final = "sent"
"""Handed to a broker that was not asked to answer."""


def destination_of(*parts: str) -> str:
    """`messaging.destination.name` on RabbitMQ: exchange, routing key, queue; empty and repeated parts left out."""
    return ":".join(dict.fromkeys(part for part in parts if part)) or "amq.default"


class Messaging:
    """Makes the spans and records the metrics of one messaging system.

    Args:
        telemetry: Of the role that sends or receives.
        system: `messaging.system`.
        server_address: Of the broker.
        server_port: Of the broker.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        system: str = "rabbitmq",
        server_address: str | None = None,
        server_port: int | None = None,
    ) -> None:
        self.metrics = telemetry.metrics
        self.metrics.use_messaging_system(system)
        self.tracer = telemetry.tracer
        fixed = {names.MESSAGING_SYSTEM: system, SERVER_ADDRESS: server_address, SERVER_PORT: server_port}
        self._fixed: dict[str, AttributeValue] = {name: value for name, value in fixed.items() if value is not None}

    def attributes(self, name: str, kind: str, destination: str) -> dict[str, AttributeValue]:
        """What every messaging span has from its start, where samplers see it."""
        return {
            **self._fixed,
            names.MESSAGING_OPERATION_NAME: name,
            names.MESSAGING_OPERATION_TYPE: kind,
            names.MESSAGING_DESTINATION_NAME: destination,
        }

    @contextmanager
    def creating(self, event_type: str, destination: str) -> Iterator["Creation"]:
        """The span in which a message is made, current inside: its context is the one that the message carries."""
        parent = trace.get_current_span().get_span_context()
        attributes = self.attributes("create", "create", destination) if self.tracer.records(parent) else None
        span = self.tracer.child(f"create {event_type}", parent, kind=SpanKind.PRODUCER, attributes=attributes)
        with trace.use_span(span, end_on_exit=True):
            yield Creation(span)

    def publishing(
        self,
        destination: str,
        routing_key: str,
        headers: Headers,
        message_id: str,
        batch: int = 1,
        event_type: str | None = None,
    ) -> "Publishing":
        """The span of handing one message to the broker, until the broker's answer (`Publishing.done`).

        Args:
            destination: The exchange.
            routing_key: Of the message.
            headers: Of the message; the context in them is the parent.
            message_id: Of the message.
            batch: Messages that are written together.
            event_type: Of the event that the message carries.
        """
        outgoing = Outgoing(routing_key, headers, message_id, event_type)
        return Publishing(self, destination, self._publish_span(destination, outgoing, batch))

    def publishing_batch(self, destination: str, messages: Sequence["Outgoing"]) -> "PublishingBatch":
        """The spans of handing several messages to the broker at once, until its answers (`PublishingBatch.done`).

        Args:
            destination: The exchange.
            messages: What goes there; each sampled one gets its span, as in `publishing`.
        """
        spans = [
            None if is_unsampled(message.headers) else self._publish_span(destination, message, len(messages))
            for message in messages
        ]
        return PublishingBatch(self, destination, spans)

    def _publish_span(self, destination: str, message: "Outgoing", batch: int) -> Span:
        parent, name = extract(message.headers), f"publish {destination}"
        if not self.tracer.records(parent):
            return self.tracer.child(name, parent)
        attributes = self.attributes("publish", "send", destination_of(destination, message.routing_key)) | {
            names.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: message.routing_key,
            names.MESSAGING_MESSAGE_ID: message.message_id,
        }
        if batch > 1:
            attributes[names.MESSAGING_BATCH_MESSAGE_COUNT] = batch
        if message.event_type is not None:
            attributes[cloudevents.CLOUDEVENTS_EVENT_TYPE] = message.event_type
        return self.tracer.child(name, parent, kind=SpanKind.CLIENT, attributes=attributes)

    @contextmanager
    def receiving(self, queue: str, deliveries_headers: Sequence[Headers]) -> Iterator[None]:
        """The span of a batch that arrived, current inside and linked to its sampled messages.

        A batch of which no message is sampled gets none. Counts each delivery as consumed.
        """
        self.metrics.messages_consumed(queue, len(deliveries_headers))
        if not self.tracer.recording or all(is_unsampled(headers) for headers in deliveries_headers):
            yield
            return
        attributes = self.attributes("receive", "receive", queue)
        attributes[names.MESSAGING_BATCH_MESSAGE_COUNT] = len(deliveries_headers)
        sampled = (extract(headers) for headers in deliveries_headers if not is_unsampled(headers))
        links = [Link(context) for context in islice(sampled, RECEIVE_LINKS) if context.is_valid]
        span = self.tracer.start_span(f"receive {queue}", kind=SpanKind.CLIENT, attributes=attributes, links=links)
        token = receive_span.set(span.get_span_context() if span.is_recording() else trace.INVALID_SPAN_CONTEXT)
        try:
            with trace.use_span(span, end_on_exit=True):
                yield
        finally:
            receive_span.reset(token)

    def processing(
        self,
        handler: str,
        queue: str,
        routing_key: str,
        headers: Headers,
        message_id: str,
        attempt: int,
        exchange: str = "",
    ) -> Processing:
        """The span of one handler's work on one delivery, until `Processing.end`.

        Args:
            handler: Who works.
            queue: Where the message came from.
            routing_key: Of the message.
            headers: Of the message; the context in them is the parent.
            message_id: Of the message.
            attempt: 1 for the first delivery.
            exchange: Where the message was published.
        """
        parent, name = extract(headers), f"process {queue}"
        if not self.tracer.records(parent):
            return Processing(self, handler, queue, attempt, self.tracer.child(name, parent))
        attributes = self.attributes("process", "process", destination_of(exchange, routing_key, queue)) | {
            names.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: routing_key,
            names.MESSAGING_MESSAGE_ID: message_id,
            "cartscope.handler": handler,
            "cartscope.attempt": attempt,
        }
        batch = receive_span.get()
        links = [Link(batch)] if batch.is_valid else []
        span = self.tracer.child(name, parent, kind=SpanKind.CONSUMER, attributes=attributes, links=links)
        return Processing(self, handler, queue, attempt, span)


class Creation:
    """A message that is being made.

    Attributes:
        headers: `traceparent` and, where there is one, `tracestate`: what the message carries.
        span_context: Of the create span.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self.span_context: SpanContext = span.get_span_context()
        self.headers = inject(self.span_context)

    def event(self, id: str, type: str, source: str, subject: str | None = None) -> None:  # noqa: A002 - CloudEvents' names
        """Says which event the message carries, once that is known."""
        describe_event(self._span, id, type, source, subject)


class Outgoing(NamedTuple):
    """A message that is about to be published; `event_type` where it carries an event."""

    routing_key: str
    headers: Headers
    message_id: str
    event_type: str | None = None


class Publishing:
    """A message on its way to the broker."""

    __slots__ = ("_destination", "_messaging", "_span", "_started")

    def __init__(self, messaging: Messaging, destination: str, span: Span) -> None:
        self._messaging = messaging
        self._destination = destination
        self._span = span
        self._started = perf_counter()

    def done(self, outcome: str) -> None:
        """The broker answered (confirmed, unroutable, refused), can no longer (unknown), or was not asked to (sent)."""
        answered(self._span, outcome)
        record(self._messaging, self._destination, perf_counter() - self._started, outcome, 1, self._span)


class PublishingBatch:
    """Messages on their way to the broker together: one operation, with a span for each sampled message."""

    __slots__ = ("_destination", "_messaging", "_spans", "_started")

    def __init__(self, messaging: Messaging, destination: str, spans: Sequence[Span | None]) -> None:
        self._messaging = messaging
        self._destination = destination
        self._spans = spans
        self._started = perf_counter()

    def done(self, outcomes: Sequence[str]) -> None:
        """The broker answered for each message, in order; outcomes as in `Publishing.done`."""
        seconds = perf_counter() - self._started
        examples: dict[str, Span] = {}
        for span, outcome in zip(self._spans, outcomes, strict=True):
            if span is not None:
                answered(span, outcome)
                examples[outcome] = span
        for outcome, amount in Counter(outcomes).items():
            span = examples.get(outcome, trace.INVALID_SPAN)
            record(self._messaging, self._destination, seconds, outcome, amount, span)


def answered(span: Span, outcome: str) -> None:
    """End a publish span by the broker's answer."""
    if outcome == SENT:
        # An error would tell of a loss, and without a word the message would pass for a confirmed one.
        span.set_attribute("cartscope.outcome", SENT)
    elif outcome != CONFIRMED:
        span.set_attribute(ERROR_TYPE, outcome)
        span.set_status(StatusCode.ERROR, outcome)
    span.end()


def record(messaging: Messaging, destination: str, seconds: float, outcome: str, amount: int, span: Span) -> None:
    """Count one publish operation of so many messages with the same outcome; the span is its exemplar."""
    error, context = None if outcome in {CONFIRMED, SENT} else str(outcome), span.get_span_context()
    messaging.metrics.client_operation("publish", destination, seconds, error, span_context=context)
    messaging.metrics.messages_sent(destination, amount, error, span_context=context)
