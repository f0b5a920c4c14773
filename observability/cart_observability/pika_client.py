"""Ready-made instrumentation for any service that uses pika's blocking channel or its callbacks."""

from collections.abc import Callable
from copy import copy
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from opentelemetry.trace import INVALID_SPAN_CONTEXT
from pika import BasicProperties

from cart_observability.delivery import Delivery, attempt_of, delivery_of, event_of
from cart_observability.messaging import CONFIRMED, SENT, Messaging
from cart_observability.processing import Processing
from cart_observability.settlement import DEAD_LETTERED, FAILED, RETRIED, Settlement, checked, in_hand

__all__ = ("attempt_of", "instrument_consumer", "publish", "tell_outcome")

OUTCOMES: Final = {"UnroutableError": "unroutable", "NackError": "refused"}
"""What pika raises when a message is not taken; after anything else its fate is unknown."""

Callback = Callable[[Any, Any, Any, bytes], None]


def instrument_consumer(
    callback: Callback,
    messaging: Messaging,
    queue: str,
    handler: str | None = None,
    *,
    rejected: str = DEAD_LETTERED,
    slots: int = 1,
) -> Callback:
    """Wraps the callback of `basic_consume`: a process span, T_process and log context round each message.

    The outcome is what the callback tells the broker before it returns: `done` for an ack, `retried` for a nack or
    reject with requeue, and what `rejected` says for one without. A callback that raises and has not sent its message
    back is `failed`; one that returns and has settled nothing is `done`, as with `auto_ack`. Where that is not what the
    callback means, `tell_outcome` says what it does.

    Args:
        callback: Called as pika calls it: channel, method, properties, body. What it raises is recorded and raised on.
        messaging: Makes the spans.
        queue: What is consumed.
        handler: The metrics' `handler`; the queue's name by default.
        rejected: The outcome of a nack or reject without requeue: `dead_lettered`, or `retried` where the queue's
            dead-letter exchange leads back to the queue, by another one in which messages wait.
        slots: How many messages the handler may have in work at once in this process: one for each connection.

    Raises:
        ValueError: `rejected` is no outcome.
    """
    return _Consumer(callback, messaging, queue, handler or queue, checked(rejected), slots)


def tell_outcome(outcome: str, reason: str = "") -> None:
    """Says, within an instrumented callback, what becomes of its message where settling it does not tell.

    For instance `dead_lettered`, when the callback puts the message into another queue for good, and acks it.

    Args:
        outcome: done, duplicate, retried or dead_lettered.
        reason: Why a message is given up, for the metrics; by default the kind of the error that is being handled.

    Raises:
        LookupError: No message is in work here.
        ValueError: It is no outcome.
    """
    in_hand.get().tell(outcome, reason)


class _Consumer:
    """A callback that is observed."""

    def __init__(
        self, callback: Callback, messaging: Messaging, queue: str, handler: str, rejected: str, slots: int
    ) -> None:
        self._callback = callback
        self._messaging = messaging
        self._metrics = messaging.metrics
        self._queue = queue
        self._handler = handler
        self._rejected = rejected
        self._metrics.slots(handler, slots)

    def __call__(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """As pika calls it."""
        headers, delivery = properties.headers or {}, delivery_of(self._queue, method, properties)
        with self._messaging.receiving(self._queue, [headers]):
            processing = self._processing(delivery, headers)
            settlement = Settlement(processing, self._rejected)
            token, started = in_hand.set(settlement), perf_counter()
            self._begin(delivery)
            try:
                with processing.active(), settlement.watching(channel, method.delivery_tag):
                    self._callback(channel, method, properties, body)
            except BaseException as error:
                settlement.raised(error)
                raise
            finally:
                in_hand.reset(token)
                settlement.end(delivery.event.type, perf_counter() - started)
                self._end(settlement, processing)

    def _processing(self, delivery: Delivery, headers: dict[str, Any]) -> Processing:
        processing = self._messaging.processing(
            self._handler,
            self._queue,
            delivery.routing_key,
            headers,
            delivery.event.id,
            delivery.attempt,
            exchange=delivery.exchange,
        )
        processing.event(*delivery.event)
        return processing

    def _begin(self, delivery: Delivery) -> None:
        self._metrics.in_flight(self._handler, 1)
        for outcome in (RETRIED, DEAD_LETTERED, FAILED):
            # Present from the first delivery on: a rate over a series that begins with a failure does not see that.
            self._metrics.event_handled(
                self._handler, delivery.event.type, outcome, 0, span_context=INVALID_SPAN_CONTEXT
            )

    def _end(self, settlement: Settlement, processing: Processing) -> None:
        self._metrics.in_flight(self._handler, -1)
        if settlement.outcome == DEAD_LETTERED:
            self._metrics.dead_lettered(self._handler, settlement.reason, span_context=processing.span_context)


def publish(
    channel: Any,
    messaging: Messaging,
    exchange: str,
    routing_key: str,
    body: bytes,
    properties: BasicProperties | None = None,
) -> str:
    """Publishes as `basic_publish` does, with create and publish spans, and the trace context in the headers.

    On a channel in confirm mode (`channel.confirm_delivery()`, once after it was opened) the publish span ends with the
    broker's answer: `confirmed`, or else pika's `UnroutableError` or `NackError` is raised on as it came. On any other
    channel nobody answers, and the outcome is `sent`.

    Args:
        channel: A blocking channel.
        messaging: Makes the spans.
        exchange: Where the message goes.
        routing_key: Of the message; its event's type, too, unless the property `type` or a CloudEvents header says it.
        body: Of the message.
        properties: Of the message; they stay as they are. What is sent has the trace context and an id besides.

    Returns:
        The message's id: that of its properties or of its CloudEvents headers, else a new one.
    """
    sent = BasicProperties() if properties is None else copy(properties)
    event = event_of(sent, routing_key)
    event = event._replace(id=event.id or str(uuid4()))
    sent.message_id = event.id
    with messaging.creating(event.type, exchange) as creation:
        creation.event(*event)
        sent.headers = {**(sent.headers or {}), **creation.headers}
        publishing = messaging.publishing(exchange, routing_key, sent.headers, event.id, event_type=event.type)
        outcome = "unknown"
        try:
            channel.basic_publish(exchange, routing_key, body, sent, mandatory=True)
            outcome = CONFIRMED if _confirms(channel) else SENT
        except Exception as error:
            outcome = OUTCOMES.get(type(error).__name__, outcome)
            raise
        finally:
            publishing.done(outcome)
            messaging.metrics.event_published(event.type, outcome, span_context=creation.span_context)
    return event.id


def _confirms(channel: Any) -> bool:
    """Whether the broker answers for what is published; pika has no public way to ask."""
    return bool(getattr(channel, "_delivery_confirmation", False))
