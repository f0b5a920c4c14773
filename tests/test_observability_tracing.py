"""Trace context in headers, and a tracer that makes no span nobody would see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan

from cart_observability.telemetry import silent
from cart_observability.tracing import NO_TRACE, extract, inject, is_unsampled
from support.observability import SAMPLED, SPAN_ID, TRACE_ID, UNSAMPLED, recording


@given(trace_id=st.integers(1, 2**128 - 1), span_id=st.integers(1, 2**64 - 1), sampled=st.booleans())
def test_a_context_survives_its_way_through_headers(trace_id: int, span_id: int, *, sampled: bool) -> None:
    """What is injected is extracted, as text and as bytes."""
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT)
    state = trace.TraceState([("vendor", "value")])
    headers = inject(trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state))
    for carried in (headers, {name: value.encode() for name, value in headers.items()}):
        found = extract(carried)
        assert (trace_id, span_id, sampled, "value") == (
            found.trace_id,
            found.span_id,
            found.trace_flags.sampled,
            found.trace_state.get("vendor"),
        )
        assert found.is_remote
        assert is_unsampled(carried) is not sampled


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "nonsense",
        b"\xff\xfe",
        17,
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_context_is_none(value: object) -> None:
    """What the W3C recommendation calls invalid starts a trace of its own instead of an error."""
    assert not extract({"traceparent": value}).is_valid


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate"]), st.text() | st.binary() | st.integers()))
def test_no_header_makes_extraction_fail(headers: dict[str, object]) -> None:
    """Whatever a stranger puts into the headers, the worker goes on."""
    extract(headers)
    is_unsampled(headers)


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """A context of a version to come is continued."""
    assert extract({"traceparent": SAMPLED["traceparent"].replace("00-", "01-", 1) + "-more"}).trace_id == TRACE_ID


def test_nothing_is_injected_without_a_trace() -> None:
    """An invalid context leaves the headers empty."""
    assert {} == inject(NO_TRACE)


def test_an_unsampled_message_costs_no_span() -> None:
    """Under a parent that is not sampled no span is made: the parent's own context is handed on."""
    telemetry, spans = recording()
    parent = extract(UNSAMPLED)
    span = telemetry.tracer.child("process", parent)
    span.end()
    assert isinstance(span, NonRecordingSpan)
    assert parent == span.get_span_context()
    assert () == spans.all


def test_a_sampler_that_does_not_follow_the_parent_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `always_on`, a message that its sender did not sample still gets its span."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    telemetry, spans = recording()
    telemetry.tracer.child("process", extract(UNSAMPLED)).end()
    assert ["process"] == [span.name for span in spans.all]


def test_the_standard_sampler_decides_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_TRACES_SAMPLER` holds, with and without an exporter."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    telemetry, spans = recording()
    for tracer in (telemetry.tracer, silent().tracer):
        with tracer.start_as_current_span("request") as span:
            assert not span.get_span_context().trace_flags.sampled
    assert () == spans.all


def test_a_trace_goes_through_a_process_without_exporter() -> None:
    """Without an exporter a span still has ids of its own and hands the trace and the decision on."""
    tracer = silent().tracer
    with tracer.start_as_current_span("request") as root:
        child = tracer.start_span("child").get_span_context()
    context = root.get_span_context()
    assert (context.trace_id, True) == (child.trace_id, child.trace_flags.sampled)
    assert context.span_id != child.span_id
    assert not root.is_recording()
    continued = tracer.child("process", extract(SAMPLED)).get_span_context()
    assert TRACE_ID == continued.trace_id
    assert SPAN_ID != continued.span_id


def test_roles_of_one_process_are_told_apart() -> None:
    """Spans of a named role carry its own service name and go the same way."""
    telemetry, spans = recording()
    telemetry.named("cartscope-relay").tracer.start_span("publish").end()
    (span,) = spans.all
    assert "cartscope-relay" == span.resource.attributes["service.name"]
    assert "https://opentelemetry.io/schemas/1.44.0" == span.resource.schema_url
    assert span.instrumentation_scope is not None
    assert "https://opentelemetry.io/schemas/1.44.0" == span.instrumentation_scope.schema_url


def test_the_tracer_keeps_the_interface_of_opentelemetry() -> None:
    """An exception inside a current span is recorded and raised on, as with any tracer."""
    telemetry, spans = recording()
    with pytest.raises(ValueError, match="broken"), telemetry.tracer.start_as_current_span("work"):
        raise ValueError("broken")
    (span,) = spans.all
    assert ["exception"] == [event.name for event in span.events]
    assert trace.StatusCode.ERROR == span.status.status_code
