"""Ready-made instrumentation for a pika service, on a RabbitMQ: what that says of a message that comes again."""

from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from cart_observability.messaging import Messaging
from cart_observability.pika_client import instrument_consumer, publish
from support.observability import attributes_of, recording, sample
from support.servers import RabbitServer, wait_until

EXCHANGE, WORK, WAIT = "library", "library.lend", "library.lend.wait"


@pytest.fixture
def channel(rabbitmq_server: RabbitServer) -> Iterator[BlockingChannel]:
    """A channel, with an exchange of this module's own."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url))
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic")
    yield channel
    for queue in (WORK, WAIT):
        channel.queue_delete(queue)
    channel.exchange_delete(EXCHANGE)
    connection.close()


def declare(channel: BlockingChannel, kind: str) -> None:
    """A queue whose rejects come back after some milliseconds, under the name of the queue as their routing key."""
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": WORK, "x-message-ttl": 50}
    there = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": WAIT, "x-queue-type": kind}
    channel.queue_declare(WAIT, durable=True, arguments=back)
    channel.queue_declare(WORK, durable=True, arguments=there)
    channel.queue_bind(WORK, EXCHANGE, "loan.*")


@pytest.mark.parametrize(
    ("kind", "settled", "attempts"),
    [
        ("classic", ["reject", "reject", "reject", "ack"], [1, 2, 3, 4]),
        ("quorum", ["reject", "reject", "reject", "ack"], [1, 2, 3, 4]),
        ("quorum", ["requeue", "requeue", "reject", "requeue", "ack"], [1, 2, 3, 2, 3]),
        ("classic", ["requeue", "requeue", "ack"], [1, 2, 2]),
    ],
)
def test_attempts(channel: BlockingChannel, kind: str, settled: list[str], attempts: list[int]) -> None:
    """Each attempt has its number and outcome, as far as RabbitMQ counts; what the message is stays what it was."""
    telemetry, spans = recording()
    declare(channel, kind)
    rest = iter(settled)

    def callback(channel: BlockingChannel, method: Any, _properties: Any, _body: bytes) -> None:
        answer = next(rest)
        if answer == "ack":
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_reject(method.delivery_tag, requeue=answer == "requeue")

    messaging = Messaging(telemetry)
    publish(channel, messaging, EXCHANGE, "loan.requested", b"")
    channel.basic_consume(WORK, instrument_consumer(callback, messaging, WORK, "lender", rejected="retried"))

    def over() -> bool:
        channel.connection.process_data_events(time_limit=0.1)
        return len(processed()) == len(settled)

    def processed() -> list[Any]:
        return [attributes_of(span) for span in spans.all if span.name == f"process {WORK}"]

    wait_until(over, "the message is handled")
    assert attempts == [each["cartscope.attempt"] for each in processed()]
    assert ["retried"] * (len(settled) - 1) + ["done"] == [each["cartscope.outcome"] for each in processed()]
    constant = ("cloudevents.event_type", "cloudevents.event_id", "messaging.destination.name")
    assert 1 == len({tuple(each[name] for name in constant) for each in processed()})
    assert f"{EXCHANGE}:loan.requested:{WORK}" == processed()[-1]["messaging.destination.name"]
    labels = {"handler": "lender", "event_type": "loan.requested"}
    counted = [
        sample(telemetry.registry, "cartscope_events_handled_total", **labels, outcome=outcome)
        for outcome in ("retried", "done")
    ]
    assert [len(settled) - 1, 1] == counted


def test_the_type_is_said_by_the_message(channel: BlockingChannel) -> None:
    """The property `type` goes before the routing key, on the first attempt as on the second."""
    telemetry, _ = recording()
    declare(channel, "classic")

    def callback(channel: BlockingChannel, method: Any, properties: Any, _body: bytes) -> None:
        channel.basic_reject(method.delivery_tag, requeue=False)
        if properties.headers.get("x-death"):
            channel.stop_consuming()

    messaging = Messaging(telemetry)
    publish(channel, messaging, EXCHANGE, "loan.eu", b"", pika.BasicProperties(type="loan.requested"))
    channel.basic_consume(WORK, instrument_consumer(callback, messaging, WORK, rejected="retried"))
    channel.start_consuming()
    labels = {"handler": WORK, "event_type": "loan.requested", "outcome": "retried"}
    assert 2 == sample(telemetry.registry, "cartscope_events_handled_total", **labels)


def test_a_publish_is_confirmed_only_by_the_broker(channel: BlockingChannel) -> None:
    """On a channel as it is opened a message is sent; in confirm mode it is confirmed, or refused as unroutable."""
    telemetry, spans = recording()
    declare(channel, "classic")
    messaging = Messaging(telemetry)
    publish(channel, messaging, EXCHANGE, "loan.requested", b"")
    channel.confirm_delivery()
    publish(channel, messaging, EXCHANGE, "loan.requested", b"")
    with pytest.raises(UnroutableError):
        publish(channel, messaging, EXCHANGE, "nowhere", b"")
    outcomes = {
        (family["event_type"], family["outcome"]): value
        for metric in telemetry.registry.collect()
        for name, family, value, *_ in metric.samples
        if name == "cartscope_events_published_total"
    }
    assert {
        ("loan.requested", "sent"): 1,
        ("loan.requested", "confirmed"): 1,
        ("nowhere", "unroutable"): 1,
    } == outcomes
    told = [attributes_of(span).get("cartscope.outcome") for span in spans.all if span.name == f"publish {EXCHANGE}"]
    assert ["sent", None, None] == told
