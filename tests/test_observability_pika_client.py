"""Ready-made instrumentation for a pika service, on a channel that is not one."""

from typing import Any

import pika
import pytest
from opentelemetry import trace
from pika.exceptions import UnroutableError

from cart_observability.messaging import Messaging
from cart_observability.pika_client import instrument_consumer, publish
from support.observability import attributes_of, identity_of, parent_of, recording, sample


class Channel:
    """Keeps what is published, or refuses it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.published: list[tuple[str, str, bytes, pika.BasicProperties]] = []

    def basic_publish(
        self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties, *, mandatory: bool
    ) -> None:
        """As pika's."""
        assert mandatory
        if self.error:
            raise self.error
        self.published.append((exchange, routing_key, body, properties))


def test_a_message_is_one_trace_from_publish_to_callback() -> None:
    """What is published with a trace is consumed as its child, headers of the caller kept."""
    telemetry, spans = recording()
    messaging, channel = Messaging(telemetry), Channel()
    properties = pika.BasicProperties(message_id="id-1", headers={"tenant": "a"})
    publish(channel, messaging, "orders", "order.placed", b"{}", properties)
    ((_, _, body, sent),) = channel.published
    assert "a" == sent.headers["tenant"]
    seen: list[Any] = []

    def callback(_channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        seen.append((body, trace.get_current_span().get_span_context().span_id))

    method = pika.spec.Basic.Deliver("tag", 1, redelivered=False, exchange="orders", routing_key="order.placed")
    instrument_consumer(callback, messaging, "billing")(channel, method, sent, body)
    created, processed = spans.named("create order.placed"), spans.named("process billing")
    assert identity_of(created) == parent_of(processed)
    assert identity_of(created) == parent_of(spans.named("publish orders"))
    assert [(b"{}", identity_of(processed))] == seen
    assert "orders:order.placed:billing" == attributes_of(processed)["messaging.destination.name"]
    labels = {"handler": "billing", "event_type": "order.placed", "outcome": "done"}
    assert sample(telemetry.registry, "cartscope_events_handled_total", **labels) == 1


def test_a_callback_that_raises_is_seen_and_raises_on() -> None:
    """The error reaches pika as before, and the span and the metrics have it."""
    telemetry, spans = recording()

    def callback(*_: Any) -> None:
        raise ValueError("broken")

    method = pika.spec.Basic.Deliver("tag", 1, redelivered=True, exchange="", routing_key="billing")
    consumer = instrument_consumer(callback, Messaging(telemetry), "billing")
    with pytest.raises(ValueError, match="broken"):
        consumer(None, method, pika.BasicProperties(), b"")
    attributes = attributes_of(spans.named("process billing"))
    assert ("ValueError", 2) == (attributes["error.type"], attributes["cartscope.attempt"])
    labels = {"handler": "billing", "event_type": "billing", "outcome": "failed"}
    assert sample(telemetry.registry, "cartscope_events_handled_total", **labels) == 1


@pytest.mark.parametrize(("error", "outcome"), [(UnroutableError([]), "unroutable"), (OSError("gone"), "unknown")])
def test_a_publish_that_failed_is_named(error: Exception, outcome: str) -> None:
    """The broker's refusal is raised on, and is the `error.type` of span and metric."""
    telemetry, spans = recording()
    with pytest.raises(type(error)):
        publish(Channel(error), Messaging(telemetry), "orders", "order.placed", b"{}", pika.BasicProperties())
    assert outcome == attributes_of(spans.named("publish orders"))["error.type"]
