"""One handler's work on one delivery, as a span with its commit and its settling, and as metrics."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from itertools import islice
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.semconv._incubating.attributes import cloudevents_attributes as cloudevents
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode

from cart_observability.logs import bind_log_context, restore_log_context, trace_fields
from cart_observability.tracing import inject

if TYPE_CHECKING:
    from cart_observability.messaging import Messaging

COMMIT_LINKS: Final = 4
"""Other messages of the same commit that its span links to."""

receive_span: ContextVar[SpanContext] = ContextVar("receive_span", default=trace.INVALID_SPAN_CONTEXT)
"""The receive span of the batch in work, where it is recorded."""


def describe_event(span: Span, id: str, type: str, source: str, subject: str | None) -> None:  # noqa: A002 - CloudEvents' names
    """Sets the `cloudevents.*` attributes of a span, of what is not empty."""
    if not span.is_recording():
        return
    known = {
        cloudevents.CLOUDEVENTS_EVENT_ID: id,
        cloudevents.CLOUDEVENTS_EVENT_TYPE: type,
        cloudevents.CLOUDEVENTS_EVENT_SOURCE: source,
        # Without a source it is no event of CloudEvents, whatever else is known of it.
        cloudevents.CLOUDEVENTS_EVENT_SPEC_VERSION: "1.0" if source else "",
        cloudevents.CLOUDEVENTS_EVENT_SUBJECT: subject or "",
    }
    span.set_attributes({name: value for name, value in known.items() if value})


class Active:
    """A span that is current and a log context that is bound, inside a `with`.

    Written out: what the libraries offer for the two costs a third of all that is done for a message.
    """

    __slots__ = ("_context", "_fields", "_log_context", "_span")
    _context: Token[Context]
    _log_context: Token[Mapping[str, object]]

    def __init__(self, span: Span, fields: Mapping[str, object]) -> None:
        self._span = span
        self._fields = fields

    def __enter__(self) -> None:
        self._context = attach(trace.set_span_in_context(self._span))
        self._log_context = bind_log_context(self._fields)

    def __exit__(self, *_: object) -> None:
        restore_log_context(self._log_context)
        detach(self._context)


class Processing:
    """One handler's work on one delivery.

    Attributes:
        span_context: Of the process span; what the handler emits or answers is its child.
    """

    __slots__ = (
        "_attempt",
        "_error_type",
        "_event",
        "_handler",
        "_headers",
        "_messaging",
        "_queue",
        "_span",
        "span_context",
    )

    def __init__(self, messaging: "Messaging", handler: str, queue: str, attempt: int, span: Span) -> None:
        self._messaging = messaging
        self._handler = handler
        self._queue = queue
        self._attempt = attempt
        self._span = span
        self._event = ("", "")
        self._headers: dict[str, str] | None = None
        self._error_type: str | None = None
        self.span_context: SpanContext = span.get_span_context()

    @property
    def headers(self) -> dict[str, str]:
        """`traceparent` and `tracestate` for follow-up events and results; not to be changed."""
        if self._headers is None:
            self._headers = inject(self.span_context)
        return self._headers

    @property
    def log_fields(self) -> dict[str, object]:
        """What a line about this message says of it, for lines outside of `active`: trace, handler, attempt, event."""
        return {**trace_fields(self.span_context), **self._bound()}

    def _bound(self) -> dict[str, object]:
        identity, event_type = self._event
        fields: dict[str, object] = {"cartscope.handler": self._handler, "cartscope.attempt": self._attempt}
        if identity:
            fields["cartscope.event.id"] = identity
        if event_type:
            fields["cartscope.event.type"] = event_type
        return fields

    def event(self, id: str, type: str, source: str, subject: str | None = None) -> None:  # noqa: A002 - CloudEvents' names
        """Says which event the message carries, once it is known; what is not is empty."""
        self._event = (id, type)
        describe_event(self._span, id, type, source, subject)

    def active(self) -> "Active":
        """Makes the span current and binds the log context; both are restored whatever happens inside."""
        return Active(self._span, self._bound())

    def committed(self, started_ns: int, ended_ns: int, batch: int = 1, others: Sequence["Processing"] = ()) -> None:
        """The effect was committed.

        Args:
            started_ns: When the commit began.
            ended_ns: When it stood.
            batch: How many effects were committed in the same step.
            others: Whose they were (this one may be among them); the span links to the first sampled ones.
        """
        if not self._span.is_recording():
            return
        contexts = (other.span_context for other in others if other is not self)
        sampled = (context for context in contexts if context.trace_flags & 1)
        self._messaging.tracer.record(
            f"commit {self._handler}",
            self.span_context,
            (started_ns, ended_ns),
            attributes={"cartscope.handler": self._handler, "cartscope.batch.size": batch},
            links=[Link(context) for context in islice(sampled, COMMIT_LINKS)],
        )

    def settled(self, operation: str, started_ns: int, ended_ns: int) -> None:
        """The broker was told what became of the message: ack, retry or dead_letter."""
        if not self._span.is_recording():
            return
        self._messaging.tracer.record(
            f"{operation} {self._queue}",
            self.span_context,
            (started_ns, ended_ns),
            kind=SpanKind.CLIENT,
            attributes=self._messaging.attributes(operation, "settle", self._queue),
        )

    def failed(self, error: BaseException) -> None:
        """The handler raised."""
        self._error_type = type(error).__qualname__
        if self._span.is_recording():
            self._span.record_exception(error)
            self._span.set_attribute(ERROR_TYPE, self._error_type)
            self._span.set_status(StatusCode.ERROR, str(error))

    def end(self, outcome: str, event_type: str, seconds: float, event_age: float | None = None) -> None:
        """The work is over.

        Args:
            outcome: done, duplicate, retried or dead_lettered; failed where an error is all that is known.
            event_type: Of the event, for the metrics.
            seconds: T_process.
            event_age: Seconds from the event's own time to the commit; None where nothing was committed.
        """
        self._span.set_attribute("cartscope.outcome", outcome)
        self._span.end()
        metrics, span_context = self._messaging.metrics, self.span_context
        metrics.processed(self._handler, self._queue, seconds, self._error_type, span_context=span_context)
        metrics.event_handled(self._handler, event_type, outcome, span_context=span_context)
        if event_age is not None:
            metrics.event_aged(self._handler, event_age, span_context=span_context)
