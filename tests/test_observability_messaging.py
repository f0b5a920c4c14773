"""The spans and metrics of a message on its way: create, publish, receive, process, commit, settle."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.util.types import Attributes

from cart_observability.logs import log_context
from cart_observability.messaging import Messaging, Processing, destination_of
from cart_observability.processing import COMMIT_LINKS
from cart_observability.tracing import ThriftyTracer, extract
from support.observability import (
    SAMPLED,
    SPAN_ID,
    TRACE_ID,
    UNSAMPLED,
    attributes_of,
    exemplars_of,
    identity_of,
    parent_of,
    recording,
    sample,
)


def process(messaging: Messaging, headers: dict[str, str], attempt: int = 1) -> Processing:
    """One delivery, as the worker takes it up."""
    return messaging.processing(
        "threshold", "threshold", "cart.item_added", headers, "id-1", attempt, exchange="cart.events"
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("cart.events", "cart.item_added"), "cart.events:cart.item_added"),
        (("cart.events", ""), "cart.events"),
        (("", "orders"), "orders"),
        (("", "orders", "orders"), "orders"),
        (("cart.events", "cart.item_added", "threshold"), "cart.events:cart.item_added:threshold"),
        (("", ""), "amq.default"),
    ],
)
def test_destinations_are_named_by_the_convention(parts: tuple[str, ...], expected: str) -> None:
    """Exchange, routing key and queue; what is empty or repeated is left out."""
    assert expected == destination_of(*parts)


def test_one_message_is_one_tree() -> None:
    """From the request over create, publish and process to commit and settle every span hangs on the one before."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    with (
        telemetry.tracer.start_as_current_span("request"),
        messaging.creating("cart.item_added", "cart.events") as made,
    ):
        pass
    messaging.publishing("cart.events", "cart.item_added", made.headers, "id-1").done("confirmed")
    work = process(messaging, made.headers)
    now = time.time_ns()
    work.committed(now, now + 5)
    work.settled("ack", now + 6, now + 7)
    work.end("done", "cart.item_added", 0.001, 0.5)
    names = {span.name: span for span in spans.all}
    parents = {name: parent_of(span) for name, span in names.items()}
    ids = {name: identity_of(span) for name, span in names.items()}
    assert {
        "request": None,
        "create cart.item_added": ids["request"],
        "publish cart.events": ids["create cart.item_added"],
        "process threshold": ids["create cart.item_added"],
        "commit threshold": ids["process threshold"],
        "ack threshold": ids["process threshold"],
    } == parents
    assert len({span.context.trace_id for span in spans.all if span.context}) == 1
    assert (now, now + 5) == (names["commit threshold"].start_time, names["commit threshold"].end_time)
    assert {
        "create cart.item_added": SpanKind.PRODUCER,
        "publish cart.events": SpanKind.CLIENT,
        "process threshold": SpanKind.CONSUMER,
        "commit threshold": SpanKind.INTERNAL,
        "ack threshold": SpanKind.CLIENT,
        "request": SpanKind.INTERNAL,
    } == {name: span.kind for name, span in names.items()}


class Seeing(Sampler):
    """Notes what it is asked about."""

    def __init__(self) -> None:
        self.attributes: dict[str, object] = {}

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """As the interface has it."""
        self.attributes = dict(attributes or {})
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        """As the interface has it."""
        return "Seeing"


def test_samplers_see_what_a_span_is_about() -> None:
    """The attributes of the convention are set when the span starts."""
    telemetry, _ = recording()
    sampler = Seeing()
    telemetry.tracer = ThriftyTracer(TracerProvider(sampler=sampler), SpanProcessor())
    process(Messaging(telemetry, server_address="broker.example", server_port=5672), SAMPLED)
    assert {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "cart.events:cart.item_added:threshold",
        "messaging.rabbitmq.destination.routing_key": "cart.item_added",
        "messaging.message.id": "id-1",
        "server.address": "broker.example",
        "server.port": 5672,
        "cartscope.handler": "threshold",
        "cartscope.attempt": 1,
    } == sampler.attributes


def test_the_event_is_described_once_it_is_known() -> None:
    """The CloudEvents attributes are on the create and on the process span."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    with messaging.creating("cart.item_added", "cart.events") as made:
        made.event("event-1", "cart.item_added", "/carts", "cart-1")
    work = process(messaging, made.headers)
    work.event("event-1", "cart.item_added", "/carts", "cart-1")
    work.end("done", "cart.item_added", 0.1)
    for name in ("create cart.item_added", "process threshold"):
        attributes = attributes_of(spans.named(name))
        assert ("event-1", "cart.item_added", "/carts", "1.0", "cart-1") == tuple(
            attributes[f"cloudevents.event_{field}"] for field in ("id", "type", "source", "spec_version", "subject")
        )


@pytest.mark.parametrize("outcome", ["unroutable", "unknown", "refused"])
def test_a_publish_that_failed_says_so(outcome: str) -> None:
    """The publish span ends with the broker's answer, and metrics and span name the same error."""
    telemetry, spans = recording()
    publishing = Messaging(telemetry).publishing("cart.events", "cart.item_added", SAMPLED, "id-1", batch=3)
    assert () == spans.all
    publishing.done(outcome)
    span = spans.named("publish cart.events")
    assert (outcome, 3) == tuple(attributes_of(span)[name] for name in ("error.type", "messaging.batch.message_count"))
    assert StatusCode.ERROR == span.status.status_code
    labels = {
        "messaging_operation_name": "publish",
        "messaging_system": "rabbitmq",
        "messaging_destination_name": "cart.events",
        "error_type": outcome,
    }
    assert sample(telemetry.registry, "messaging_client_sent_messages_total", **labels) == 1
    assert sample(telemetry.registry, "messaging_client_operation_duration_seconds_count", **labels) == 1


def test_a_confirmed_publish_has_no_error() -> None:
    """`error.type` is left out on success."""
    telemetry, spans = recording()
    Messaging(telemetry).publishing("cart.events", "cart.item_added", SAMPLED, "id-1").done("confirmed")
    span = spans.named("publish cart.events")
    assert "error.type" not in attributes_of(span)
    assert "messaging.batch.message_count" not in attributes_of(span)
    assert StatusCode.UNSET == span.status.status_code


def test_a_batch_is_linked_to_its_sampled_messages() -> None:
    """The receive span links to each sampled message, the process spans link back, every delivery is counted."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry, system="kafka")
    with messaging.receiving("threshold", [SAMPLED, UNSAMPLED, UNSAMPLED]):
        process(messaging, SAMPLED).end("done", "cart.item_added", 0.1)
    received, processed = spans.named("receive threshold"), spans.named("process threshold")
    assert [(TRACE_ID, SPAN_ID)] == [(link.context.trace_id, link.context.span_id) for link in received.links]
    assert [identity_of(received)] == [link.context.span_id for link in processed.links]
    assert attributes_of(received)["messaging.batch.message_count"] == 3
    labels = {
        "messaging_operation_name": "receive",
        "messaging_system": "kafka",
        "messaging_destination_name": "threshold",
        "error_type": "",
    }
    assert sample(telemetry.registry, "messaging_client_consumed_messages_total", **labels) == 3


def test_a_batch_without_sampled_message_has_no_span() -> None:
    """Nothing is recorded of messages that nobody sampled, but all of it is counted."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    with messaging.receiving("threshold", [UNSAMPLED]):
        work = process(messaging, UNSAMPLED)
        work.event("event-1", "cart.item_added", "/carts")
        with work.active():
            assert extract(UNSAMPLED) == trace.get_current_span().get_span_context()
        work.committed(1, 2)
        work.settled("ack", 1, 2)
        work.failed(ValueError("broken"))
        work.end("retried", "cart.item_added", 0.1)
    assert () == spans.all
    assert UNSAMPLED == work.headers
    assert [] == exemplars_of(telemetry.registry, "messaging_process_duration_seconds_bucket")
    labels = {"handler": "threshold", "event_type": "cart.item_added", "outcome": "retried"}
    assert sample(telemetry.registry, "cartscope_events_handled_total", **labels) == 1


def test_what_a_handler_emits_is_a_child_of_its_work() -> None:
    """Follow-up events and results carry the context of the process span."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    work = process(messaging, SAMPLED)
    with work.active(), messaging.creating("cart.threshold_reached", "cart.events") as made:
        pass
    messaging.publishing("cart.results", "threshold.done", work.headers, "result-1").done("confirmed")
    work.end("done", "cart.item_added", 0.1)
    parent = work.span_context.span_id
    assert parent == parent_of(spans.named("create cart.threshold_reached"))
    assert parent == parent_of(spans.named("publish cart.results"))
    assert made.span_context.trace_id == TRACE_ID


def test_attempts_stay_in_one_trace() -> None:
    """A retry is another process span under the same parent."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    for attempt in (1, 2):
        process(messaging, SAMPLED, attempt).end("retried", "cart.item_added", 0.1)
    assert [(SPAN_ID, 1), (SPAN_ID, 2)] == [
        (parent_of(span), attributes_of(span)["cartscope.attempt"]) for span in spans.all
    ]


def test_a_common_commit_names_its_company() -> None:
    """A commit span links to some sampled messages of the same batch, never to its own, and tells the batch's size."""
    telemetry, spans = recording()
    messaging = Messaging(telemetry)
    others = [process(messaging, UNSAMPLED)] + [process(messaging, SAMPLED) for _ in range(40)]
    others[-1].committed(1, 2, len(others), others)
    span = spans.named("commit threshold")
    assert [other.span_context.span_id for other in others[1 : COMMIT_LINKS + 1]] == [
        link.context.span_id for link in span.links
    ]
    assert attributes_of(span)["cartscope.batch.size"] == 41


def test_a_failure_is_recorded_once() -> None:
    """The process span has one exception event, an error status and the error's type; the metric has the type too."""
    telemetry, spans = recording()
    work = process(Messaging(telemetry), SAMPLED)
    with pytest.raises(ValueError, match="broken") as raised, work.active():
        raise ValueError("broken")
    work.failed(raised.value)
    work.end("retried", "cart.item_added", 0.1)
    span = spans.named("process threshold")
    assert ["exception"] == [event.name for event in span.events]
    assert (StatusCode.ERROR, "broken") == (span.status.status_code, span.status.description)
    assert ("ValueError", "retried") == tuple(attributes_of(span)[n] for n in ("error.type", "cartscope.outcome"))
    assert [""] != [
        each.labels["error_type"]
        for metric in telemetry.registry.collect()
        for each in metric.samples
        if each.name == "messaging_process_duration_seconds_count"
    ]


def test_context_is_restored_whatever_happens() -> None:
    """After an exception, and after a cancellation, the span before is current again."""
    telemetry, _ = recording()
    messaging = Messaging(telemetry)
    with telemetry.tracer.start_as_current_span("outer") as outer:
        for error in (ValueError("broken"), asyncio.CancelledError()):
            with pytest.raises(type(error)), process(messaging, SAMPLED).active():
                raise error
            assert outer is trace.get_current_span()
    assert not trace.get_current_span().get_span_context().is_valid


async def test_messages_in_work_at_once_keep_their_contexts_apart() -> None:
    """Two handlers that wait for each other see each its own span."""
    telemetry, _ = recording()
    messaging = Messaging(telemetry)
    barrier = asyncio.Barrier(2)

    async def handle() -> bool:
        work = process(messaging, SAMPLED)
        with work.active():
            await barrier.wait()
            return work.span_context == trace.get_current_span().get_span_context()

    assert [True, True] == list(await asyncio.gather(handle(), handle()))


def test_lines_outside_of_the_context_can_name_the_message() -> None:
    """`log_fields` says what `active` would have bound."""
    telemetry, _ = recording()
    work = process(Messaging(telemetry), SAMPLED, attempt=2)
    work.event("event-1", "cart.item_added", "/carts")
    with log_context({}):
        fields = work.log_fields
    assert {
        "trace.id": f"{TRACE_ID:032x}",
        "span.id": f"{work.span_context.span_id:016x}",
        "cartscope.handler": "threshold",
        "cartscope.attempt": 2,
        "cartscope.event.id": "event-1",
        "cartscope.event.type": "cart.item_added",
    } == fields


def test_the_end_of_the_work_is_counted_with_its_trace() -> None:
    """T_process, the outcome and the event's age carry the exemplar of the process span."""
    telemetry, _ = recording()
    work = process(Messaging(telemetry), SAMPLED)
    work.end("done", "cart.item_added", 0.0001, 0.5)
    ids = {"trace_id": f"{TRACE_ID:032x}", "span_id": f"{work.span_context.span_id:016x}"}
    for name in (
        "messaging_process_duration_seconds_bucket",
        "cartscope_events_handled_total",
        "cartscope_event_age_seconds_bucket",
    ):
        assert [ids] == exemplars_of(telemetry.registry, name)
