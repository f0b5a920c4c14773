"""Ready-made instrumentation for a pika service, on a channel that is not one; on RabbitMQ in ..._pika_retries."""

from collections.abc import Callable
from typing import Any

import pika
import pytest
from opentelemetry import trace
from pika.exceptions import UnroutableError

from cart_observability.messaging import Messaging
from cart_observability.pika_client import instrument_consumer, publish, tell_outcome
from cart_observability.telemetry import Telemetry
from support.observability import attributes_of, exemplars_of, identity_of, lines_of, parent_of, recording, sample

Settle = Callable[["Channel"], object]
NOTHING: dict[str, str] = {}


class Channel:
    """Keeps what it is told, or refuses to publish."""

    def __init__(self, error: Exception | None = None, *, confirms: bool = True) -> None:
        self._delivery_confirmation = confirms
        self.error = error
        self.published: list[tuple[str, str, bytes, pika.BasicProperties]] = []
        self.settled: list[tuple[Any, ...]] = []

    def basic_publish(
        self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties, *, mandatory: bool
    ) -> None:
        """As pika's."""
        assert mandatory
        if self.error:
            raise self.error
        self.published.append((exchange, routing_key, body, properties))

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - as pika's
        """As pika's."""
        self.settled.append(("ack", delivery_tag, multiple))

    def basic_nack(self, delivery_tag: int = 0, multiple: bool = False, requeue: bool = True) -> None:  # noqa: FBT001, FBT002 - as pika's
        """As pika's."""
        self.settled.append(("nack", delivery_tag, multiple, requeue))

    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:  # noqa: FBT001, FBT002 - as pika's
        """As pika's."""
        self.settled.append(("reject", delivery_tag, requeue))


def delivered(tag: int = 1, *, redelivered: bool = False) -> pika.spec.Basic.Deliver:
    """What pika says of a delivery."""
    return pika.spec.Basic.Deliver("tag", tag, redelivered=redelivered, exchange="orders", routing_key="order.placed")


def handled(telemetry: Telemetry, outcome: str) -> float | None:
    """How many messages had this outcome."""
    labels = {"handler": "billing", "event_type": "order.placed", "outcome": outcome}
    return sample(telemetry.registry, "cartscope_events_handled_total", **labels)


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

    instrument_consumer(callback, messaging, "billing")(channel, delivered(), sent, body)
    created, processed = spans.named("create order.placed"), spans.named("process billing")
    assert identity_of(created) == parent_of(processed)
    assert identity_of(created) == parent_of(spans.named("publish orders"))
    assert [(b"{}", identity_of(processed))] == seen
    assert "orders:order.placed:billing" == attributes_of(processed)["messaging.destination.name"]
    assert 1 == handled(telemetry, "done")


def test_a_callback_that_raises_is_seen_and_raises_on() -> None:
    """The error reaches pika as before, and the span and the metrics have it."""
    telemetry, spans = recording()

    def callback(*_: Any) -> None:
        raise ValueError("broken")

    consumer = instrument_consumer(callback, Messaging(telemetry), "billing")
    with pytest.raises(ValueError, match="broken"):
        consumer(Channel(), delivered(redelivered=True), pika.BasicProperties(), b"")
    attributes = attributes_of(spans.named("process billing"))
    assert ("ValueError", 2) == (attributes["error.type"], attributes["cartscope.attempt"])
    assert (1, 0) == (handled(telemetry, "failed"), handled(telemetry, "done") or 0)


def consumed(settle: Settle, **options: Any) -> tuple[Telemetry, Any, Channel]:
    """What is measured of a callback that settles so, its finished spans, and the channel."""
    telemetry, spans = recording()
    channel = Channel()

    def callback(*_: Any) -> None:
        settle(channel)

    consumer = instrument_consumer(callback, Messaging(telemetry), "billing", **options)
    consumer(channel, delivered(2), pika.BasicProperties(message_id="id-1"), b"")
    return telemetry, spans, channel


def fails(settle: Settle) -> Settle:
    """Settles while an error is being handled."""

    def failing(channel: Channel) -> None:
        try:
            NOTHING["card"]
        except KeyError:
            settle(channel)

    return failing


def told_first(channel: Channel) -> None:
    """Gives the message up, and acks it."""
    tell_outcome("dead_lettered")
    channel.basic_ack(2)


def told_last(channel: Channel) -> None:
    """Acks the message, and gives it up."""
    channel.basic_ack(2)
    tell_outcome("dead_lettered")


@pytest.mark.parametrize(
    ("settle", "outcome", "operation"),
    [
        (lambda channel: channel.basic_ack(2), "done", "ack"),
        (lambda channel: channel.basic_ack(0, multiple=True), "done", "ack"),
        (lambda channel: channel.basic_nack(2), "retried", "retry"),
        (lambda channel: channel.basic_nack(3, multiple=True), "retried", "retry"),
        (lambda channel: channel.basic_nack(2, requeue=False), "dead_lettered", "dead_letter"),
        (lambda channel: channel.basic_reject(delivery_tag=2), "retried", "retry"),
        (lambda channel: channel.basic_reject(2, requeue=False), "dead_lettered", "dead_letter"),
        (lambda _: None, "done", None),
        (lambda channel: channel.basic_nack(1), "done", None),
        (lambda channel: channel.basic_nack(1, multiple=True), "done", None),
        (lambda _: tell_outcome("duplicate"), "duplicate", "ack"),
        (lambda _: tell_outcome("retried"), "retried", "retry"),
        (told_first, "dead_lettered", "dead_letter"),
        (told_last, "dead_lettered", "dead_letter"),
    ],
)
def test_the_outcome_is_what_the_broker_is_told(settle: Settle, outcome: str, operation: str | None) -> None:
    """An ack, nack or reject of this delivery decides; the callback's own word goes before it."""
    telemetry, spans, _ = consumed(settle)
    assert 1 == handled(telemetry, outcome)
    assert outcome == attributes_of(spans.named("process billing"))["cartscope.outcome"]
    settled = {"ack billing", "retry billing", "dead_letter billing"} & {span.name for span in spans.all}
    assert ({f"{operation} billing"} if operation else set()) == settled


def test_a_reject_may_lead_to_another_attempt() -> None:
    """Where the dead-letter exchange leads back to the queue, a reject without requeue is no dead letter."""
    telemetry, spans, _ = consumed(lambda channel: channel.basic_reject(2, requeue=False), rejected="retried")
    assert (1, 0) == (handled(telemetry, "retried"), handled(telemetry, "dead_lettered"))
    assert parent_of(spans.named("retry billing")) == identity_of(spans.named("process billing"))


@pytest.mark.parametrize(
    ("settle", "reason"),
    [
        (lambda channel: channel.basic_reject(2, requeue=False), "rejected"),
        (fails(lambda channel: channel.basic_reject(2, requeue=False)), "KeyError"),
        (lambda _: tell_outcome("dead_lettered", "attempts_exhausted"), "attempts_exhausted"),
        (fails(lambda _: tell_outcome("dead_lettered")), "KeyError"),
    ],
)
def test_a_dead_letter_is_counted_by_its_reason(settle: Settle, reason: str) -> None:
    """It is what the callback says, or the kind of the error that it handles."""
    telemetry, _, _ = consumed(settle)
    assert 1 == sample(telemetry.registry, "cartscope_dead_letters_total", handler="billing", reason=reason)


@pytest.mark.parametrize("requeue", [True, False])
def test_the_error_that_is_handled_is_the_attempts(requeue: bool) -> None:  # noqa: FBT001 - a parameter
    """A callback that catches its error and sends the message back has failed for that, in span and metric."""
    telemetry, spans, _ = consumed(fails(lambda channel: channel.basic_nack(2, requeue=requeue)))
    span = spans.named("process billing")
    assert ("KeyError", 1) == (attributes_of(span)["error.type"], len(span.events))
    labels = {"error_type": "KeyError", "handler": "billing", "messaging_destination_name": "billing"}
    labels |= {"messaging_operation_name": "process", "messaging_system": "rabbitmq"}
    assert 1 == sample(telemetry.registry, "messaging_process_duration_seconds_count", **labels)


def test_an_error_of_somebody_else_is_not_the_attempts() -> None:
    """Who consumes while he handles a lost connection does not fail at each message that he sends back."""
    try:
        NOTHING["connection"]
    except KeyError:
        _, spans, _ = consumed(lambda channel: channel.basic_nack(2))
    assert "error.type" not in attributes_of(spans.named("process billing"))


def test_an_error_that_is_raised_on_after_a_reject_is_told_once() -> None:
    """The message is a dead letter, the error reaches pika, and the span has it once."""
    telemetry, spans = recording()
    channel = Channel()

    def callback(*_: Any) -> None:
        try:
            int("broken")
        except ValueError:
            channel.basic_reject(1, requeue=False)
            raise

    with pytest.raises(ValueError, match="broken"):
        instrument_consumer(callback, Messaging(telemetry), "billing")(
            channel, delivered(), pika.BasicProperties(), b""
        )
    assert (1, 1) == (handled(telemetry, "dead_lettered"), len(spans.named("process billing").events))


def test_an_error_after_the_ack_is_a_failure() -> None:
    """What was acked and then failed is not done, nor does it come again."""
    telemetry, _ = recording()

    def callback(channel: Channel, *_: Any) -> None:
        channel.basic_ack(1)
        raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        instrument_consumer(callback, Messaging(telemetry), "billing")(
            Channel(), delivered(), pika.BasicProperties(), b""
        )
    assert 1 == handled(telemetry, "failed")


def test_the_channel_is_told_what_it_was_told_before() -> None:
    """Each call arrives as it was made, and after the callback the channel's methods are its own again."""

    def all_of_them(channel: Channel) -> None:
        channel.basic_ack(1, multiple=True)
        channel.basic_nack(delivery_tag=2, requeue=False)
        channel.basic_reject(3)

    _, _, channel = consumed(all_of_them)
    assert [("ack", 1, True), ("nack", 2, False, False), ("reject", 3, True)] == channel.settled
    names = ("basic_ack", "basic_nack", "basic_reject")
    assert [getattr(Channel, name) for name in names] == [getattr(channel, name).__func__ for name in names]


@pytest.mark.parametrize("outcome", ["failed", "lost", ""])
def test_no_other_outcome_can_be_told(outcome: str) -> None:
    """An outcome that no dashboard knows is refused where it is said."""
    with pytest.raises(ValueError, match="done, duplicate, retried, dead_lettered"):
        consumed(lambda _: tell_outcome(outcome))
    with pytest.raises(ValueError, match="done, duplicate, retried, dead_lettered"):
        instrument_consumer(lambda *_: None, Messaging(recording()[0]), "billing", rejected=outcome)
    with pytest.raises(LookupError):
        tell_outcome("done")


def test_capacity_and_failures_are_shown_before_there_are_any() -> None:
    """Slots are known before the first message, what is in work while it is, and failures from 0 on."""
    telemetry, _ = recording()
    shown: list[float | None] = []

    def in_flight(*_: Any) -> None:
        shown.append(sample(telemetry.registry, "cartscope_handler_in_flight_events", handler="billing"))

    consumer = instrument_consumer(in_flight, Messaging(telemetry), "orders.billing", "billing", slots=3)
    assert 3 == sample(telemetry.registry, "cartscope_handler_slots", handler="billing")
    consumer(Channel(), delivered(), pika.BasicProperties(), b"")
    in_flight()
    assert [1, 0] == shown
    assert [0, 0, 0] == [handled(telemetry, outcome) for outcome in ("retried", "dead_lettered", "failed")]
    assert 1 == len(exemplars_of(telemetry.registry, "cartscope_events_handled_total"))


def test_what_is_logged_inside_names_the_event(tmp_path: Any) -> None:
    """A line of the callback has the event's id and type, by which the console finds it."""
    telemetry = Telemetry.start("billing", log_folder=tmp_path, stdout=False)
    consumer = instrument_consumer(lambda *_: telemetry.log.info("paid"), Messaging(telemetry), "billing")
    consumer(Channel(), delivered(), pika.BasicProperties(message_id="id-1", type="order.accepted"), b"")
    consumer(Channel(), delivered(), pika.BasicProperties(), b"")
    telemetry.close()
    named, unnamed = lines_of(tmp_path / "billing.log")
    assert ("id-1", "order.accepted", 1) == tuple(
        named[f"cartscope.{name}"] for name in ("event.id", "event.type", "attempt")
    )
    assert ("order.placed", False) == (unnamed["cartscope.event.type"], "cartscope.event.id" in unnamed)


def test_spans_say_of_the_event_what_its_headers_say() -> None:
    """Create, publish and process span describe the event, as far as the message does."""
    telemetry, spans = recording()
    messaging, channel = Messaging(telemetry), Channel()
    headers = {"cloudEvents:type": "order.accepted", "cloudEvents:source": "/orders", "cloudEvents:subject": "o-7"}
    properties = pika.BasicProperties(message_id="id-1", type="json", headers=headers)
    publish(channel, messaging, "orders", "order.placed", b"{}", properties)
    instrument_consumer(lambda *_: None, messaging, "billing")(channel, delivered(), channel.published[0][3], b"")
    for name in ("create order.accepted", "process billing"):
        attributes = attributes_of(spans.named(name))
        fields = ("id", "type", "source", "spec_version", "subject")
        expected = ("id-1", "order.accepted", "/orders", "1.0", "o-7")
        assert expected == tuple(attributes[f"cloudevents.event_{field}"] for field in fields)
    assert "order.accepted" == attributes_of(spans.named("publish orders"))["cloudevents.event_type"]


def test_a_message_that_is_no_cloudevent_is_not_called_one() -> None:
    """Id and type are told, a source and version that nobody gave are not."""
    _, spans, _ = consumed(lambda _: None)
    told = {name for name in attributes_of(spans.named("process billing")) if name.startswith("cloudevents.")}
    assert {"cloudevents.event_id", "cloudevents.event_type"} == told


def test_a_message_without_properties_gets_an_id() -> None:
    """Properties may be left out as with pika; an id that is missing is made, for by it the message is found."""
    telemetry, spans = recording()
    channel, messaging = Channel(), Messaging(telemetry)
    ids = [publish(channel, messaging, "orders", "order.placed", b"{}") for _ in range(2)]
    mine = pika.BasicProperties(content_type="text/plain")
    ids += [publish(channel, messaging, "orders", "order.placed", b"{}", mine) for _ in range(2)]
    ids.append(publish(channel, messaging, "orders", "o", b"", pika.BasicProperties(headers={"cloudEvents_id": "ce"})))
    assert ids == [sent.message_id for *_, sent in channel.published]
    assert (5, "ce") == (len(set(ids)), ids[-1])
    assert (None, None) == (mine.message_id, mine.headers)
    assert set(ids) == {attributes_of(each)["messaging.message.id"] for each in spans.all if "publish" in each.name}


def published(telemetry: Telemetry, outcome: str) -> float | None:
    """How many events were published with this outcome."""
    labels = {"event_type": "order.placed", "outcome": outcome}
    return sample(telemetry.registry, "cartscope_events_published_total", **labels)


@pytest.mark.parametrize(("error", "outcome"), [(UnroutableError([]), "unroutable"), (OSError("gone"), "unknown")])
def test_a_publish_that_failed_is_named(error: Exception, outcome: str) -> None:
    """The broker's refusal is raised on, and is the `error.type` of span and metric."""
    telemetry, spans = recording()
    with pytest.raises(type(error)):
        publish(Channel(error), Messaging(telemetry), "orders", "order.placed", b"{}", pika.BasicProperties())
    assert outcome == attributes_of(spans.named("publish orders"))["error.type"]
    assert 1 == published(telemetry, outcome)


def test_what_nobody_confirmed_is_not_called_confirmed() -> None:
    """Without confirms a message is sent and no more; that is no error either."""
    telemetry, spans = recording()
    publish(Channel(confirms=False), Messaging(telemetry), "orders", "order.placed", b"{}")
    span = spans.named("publish orders")
    assert ("sent", True) == (attributes_of(span)["cartscope.outcome"], span.status.is_unset)
    assert (1, None) == (published(telemetry, "sent"), published(telemetry, "confirmed"))
