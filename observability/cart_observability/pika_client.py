"""Ready-made instrumentation for any service that uses pika's blocking channel or its callbacks."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from cart_observability.messaging import Messaging

OUTCOMES: Final = {"UnroutableError": "unroutable", "NackError": "refused"}
"""What pika raises when a message is not taken; after anything else its fate is unknown."""

Callback = Callable[[Any, Any, Any, bytes], None]


def instrument_consumer(callback: Callback, messaging: Messaging, queue: str, handler: str | None = None) -> Callback:
    """Wraps the callback of `basic_consume`: a process span, T_process and log context round each message.

    Args:
        callback: Called as pika calls it: channel, method, properties, body. What it raises is recorded and raised on.
        messaging: Makes the spans.
        queue: What is consumed.
        handler: The metrics' `handler`; the queue's name by default.
    """
    name = handler or queue

    def observed(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        headers = properties.headers or {}
        with messaging.receiving(queue, [headers]):
            processing = messaging.processing(
                name,
                queue,
                method.routing_key,
                headers,
                properties.message_id or "",
                2 if method.redelivered else 1,
                exchange=method.exchange,
            )
            started, outcome = perf_counter(), "failed"
            try:
                with processing.active():
                    callback(channel, method, properties, body)
                outcome = "done"
            except BaseException as error:
                processing.failed(error)
                raise
            finally:
                processing.end(outcome, method.routing_key, perf_counter() - started)

    return observed


def publish(channel: Any, messaging: Messaging, exchange: str, routing_key: str, body: bytes, properties: Any) -> None:
    """Publishes as `basic_publish` does, with create and publish spans, and the trace context in the headers.

    `properties.headers` is extended. On a channel in confirm mode the publish span ends with the broker's answer, and
    pika's `UnroutableError` or `NackError` is raised on as it came.
    """
    with messaging.creating(routing_key, exchange) as creation:
        properties.headers = {**(properties.headers or {}), **creation.headers}
        publishing = messaging.publishing(exchange, routing_key, properties.headers, properties.message_id or "")
        try:
            channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except Exception as error:
            publishing.done(OUTCOMES.get(type(error).__name__, "unknown"))
            raise
        publishing.done("confirmed")
