"""The services of the telemetry guide whose parcels are tried again and given up, on a RabbitMQ."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pika
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from pika.adapters.blocking_connection import BlockingChannel

from cart_observability.console.events.step import Step
from cart_observability.console.events.steps import steps
from cart_observability.console.traces import otlp
from cart_observability.messaging import Messaging
from cart_observability.pika_client import attempt_of, publish
from cart_observability.telemetry import Telemetry
from support.observability import Spans, lines_of, recording, sample
from support.servers import RabbitServer, wait_until

EXAMPLES = Path(__file__).parent.parent / "examples"
WAIT_MS = 100
OUTCOMES = ["retried", "retried", "dead_lettered"]


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that declares the queues, with less to wait for."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    again = importlib.import_module("parcels_again")
    monkeypatch.setitem(again.QUEUES["parcels.retry"], "x-message-ttl", WAIT_MS)
    return again


@pytest.fixture
def channel(rabbitmq_server: RabbitServer, examples: Any) -> Iterator[BlockingChannel]:
    """A channel with the queues of the guide, and an exchange before them."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("parcels", "topic", auto_delete=True)
    examples.declare(channel)
    channel.queue_bind("parcels", "parcels", "#")
    yield channel
    for queue in examples.QUEUES:
        channel.queue_delete(queue)
    connection.close()


def broken(body: bytes) -> None:
    """Packs nothing."""
    raise ValueError(f"{body.decode()} is broken")


def story(event_id: str, spans: Sequence[ReadableSpan]) -> list[Step]:
    """The event's way as the console tells it."""
    sent = encode_spans(spans).SerializeToString()
    return steps(event_id, otlp.decode(sent, "application/x-protobuf").spans, ())


def handled(telemetry: Telemetry, handler: str) -> list[float | None]:
    """How many deliveries had each outcome."""
    labels = {"handler": handler, "event_type": "parcel.sent"}
    name = "cartscope_events_handled_total"
    return [sample(telemetry.registry, name, **labels, outcome=each) for each in ("retried", "dead_lettered")]


def holds_a_dead_letter(channel: BlockingChannel) -> Callable[[], bool]:
    """Lets the consumer work, and tells whether a message was given up."""

    def held() -> bool:
        channel.connection.process_data_events(time_limit=0.1)
        return bool(channel.queue_declare("parcels.dead", passive=True).method.message_count == 1)

    return held


def test_parcels_again(channel: BlockingChannel, examples: Any) -> None:
    """A parcel is tried three times, and story and metrics tell each attempt, how long it waited, and its end."""
    telemetry, spans = recording()
    publish(channel, Messaging(telemetry), "parcels", "parcel.sent", b"vase", pika.BasicProperties(message_id="p1"))
    examples.consume(telemetry, channel, broken)
    wait_until(holds_a_dead_letter(channel), "the parcel is given up")

    told = story("p1", spans.all)
    kinds = ["attempt", "retried", "attempt", "retried", "attempt", "dead_lettered"]
    assert ["create", "publish", *kinds] == [step.kind for step in told]
    attempts = [step for step in told if step.kind == "attempt"]
    assert [(1, "retried"), (2, "retried"), (3, "dead_lettered")] == [(each.attempt, each.outcome) for each in attempts]
    assert {"vase is broken"} == {step.error for step in attempts}
    for back, attempt in zip([step for step in told if step.kind == "retried"], attempts[1:], strict=True):
        assert attempt.waited == attempt.time - back.end
        assert attempt.waited >= (WAIT_MS - 1) * 1_000_000
    assert [2, 1] == handled(telemetry, "parcels")
    labels = {"handler": "parcels", "reason": "attempts_exhausted"}
    assert 1 == sample(telemetry.registry, "cartscope_dead_letters_total", **labels)


class Message(NamedTuple):
    """A message of RabbitMQ, as the example has it of any client."""

    channel: BlockingChannel
    method: Any
    properties: pika.BasicProperties
    body: bytes

    @property
    def headers(self) -> dict[str, Any]:
        """Of the message."""
        return dict(self.properties.headers or {})

    @property
    def id(self) -> str:
        """Of the message."""
        return str(self.properties.message_id)

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return attempt_of("parcels", self.method, self.properties)

    def settle(self, outcome: str) -> None:
        """Tell RabbitMQ."""
        if outcome == "retried":
            self.channel.basic_reject(self.method.delivery_tag, requeue=False)
            return
        if outcome == "dead_lettered":
            self.channel.basic_publish("", "parcels.dead", self.body, self.properties)
        self.channel.basic_ack(self.method.delivery_tag)


def test_parcels_by_hand(channel: BlockingChannel, tmp_path: Path) -> None:
    """What the library does for pika a service can do for itself, and its lines alone tell the whole of it."""
    spans = Spans()
    telemetry = Telemetry.start("parcels", log_folder=tmp_path, stdout=False, spans=spans.processor)
    messaging = Messaging(telemetry)
    publish(channel, messaging, "parcels", "parcel.sent", b"vase", pika.BasicProperties(message_id="p1"))
    packer = importlib.import_module("parcels_by_hand").Packer(telemetry, broken)
    channel.basic_consume("parcels", lambda *arguments: packer.deliver(Message(*arguments)))
    wait_until(holds_a_dead_letter(channel), "the parcel is given up")
    telemetry.close()

    attempts = [step for step in story("p1", spans.all) if step.kind == "attempt"]
    assert OUTCOMES == [step.outcome for step in attempts]
    assert all((step.waited or 0) >= (WAIT_MS - 1) * 1_000_000 for step in attempts[1:])
    lines = lines_of(tmp_path / "parcels.log")
    assert OUTCOMES == [line["cartscope.outcome"] for line in lines]
    assert [1, 2, 3] == [line["cartscope.attempt"] for line in lines]
    assert {("p1", "parcel.sent")} == {(line["cartscope.event.id"], line["cartscope.event.type"]) for line in lines}
    assert 1 == len({line["trace.id"] for line in lines})
    assert [2, 1] == handled(telemetry, "packer")
    assert 1 == sample(telemetry.registry, "cartscope_handler_slots", handler="packer")
