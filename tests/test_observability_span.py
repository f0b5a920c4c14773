"""A span in progress, held against the SDK's own."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer, TraceState

from cart_observability.tracing import ThriftyTracer, extract, inject
from support.observability import Spans

OTHER = SpanContext(1, 2, is_remote=False)
NOWHERE = SpanContext(0, 0, is_remote=False)
STATED = SpanContext(0, 0, is_remote=False, trace_state=TraceState([("vendor", "value")]))
VALUES = (
    st.text(max_size=9)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=9)
    | st.none()
    | st.lists(st.text(max_size=3) | st.integers(0, 9), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
    | st.just(object)
)
ATTRIBUTES = st.dictionaries(st.text(max_size=2), VALUES, max_size=3)
CONTEXTS = st.sampled_from([OTHER, NOWHERE, STATED])
DEEDS = st.one_of(
    st.builds(lambda key, value: lambda span: span.set_attribute(key, value), st.text(max_size=2), VALUES),
    st.builds(lambda given: lambda span: span.set_attributes(given), ATTRIBUTES),
    st.builds(lambda name, given: lambda span: span.add_event(name, given, 5), st.text(max_size=3), ATTRIBUTES),
    st.builds(lambda context, given: lambda span: span.add_link(context, given), CONTEXTS, ATTRIBUTES),
    st.builds(lambda name: lambda span: span.update_name(name), st.text(max_size=3)),
    st.builds(
        lambda code, said: lambda span: span.set_status(code, said if code is StatusCode.ERROR else None),
        st.sampled_from(StatusCode),
        st.text(max_size=3),
    ),
    st.builds(lambda code: lambda span: span.set_status(Status(code)), st.sampled_from(StatusCode)),
    st.builds(
        lambda error, given: lambda span: span.record_exception(error, given, 5),
        st.sampled_from([ValueError("no"), pytest.UsageError("neither")]),
        ATTRIBUTES,
    ),
    st.just(lambda span: span.end(9)),
)
"""What can be done to a span."""

Deed = Callable[[Span], None]
Known = tuple[SpanContext, dict[str, Any]]
"""Of a link: whereto, and what is said of it."""


def tracers() -> list[tuple[Tracer, Spans]]:
    """The SDK's tracer and this package's, and what each has recorded."""
    sdk, own = Spans(), Spans()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sdk.processor)
    return [
        (provider.get_tracer("cart_observability"), sdk),
        (ThriftyTracer(TracerProvider(shutdown_on_exit=False), own.processor), own),
    ]


def exported(tracer: Tracer, spans: Spans, deeds: Sequence[Deed], links: Sequence[Known] = ()) -> Encoded:
    """One span to which this was done, as it goes to a collector, without its ids."""
    span = tracer.start_span("work", None, SpanKind.CLIENT, {"a": 1}, [Link(*link) for link in links], 3)
    for deed in deeds:
        deed(span)
    if span.is_recording():
        span.end(7)
    (encoded,) = encode_spans(spans.all).resource_spans[0].scope_spans[0].spans
    encoded.ClearField("trace_id")
    encoded.ClearField("span_id")
    assert isinstance(encoded, Encoded)
    encoded.attributes.sort(key=lambda each: each.key)
    return encoded


@given(st.lists(DEEDS, max_size=6), st.lists(st.tuples(CONTEXTS, ATTRIBUTES), max_size=2))
def test_a_span_is_exported_as_the_sdks_is(deeds: Sequence[Deed], links: Sequence[Known]) -> None:
    """Whatever is done to it, and in whatever order, a collector gets what it would get from the SDK."""
    sdk, own = [exported(tracer, spans, deeds, links) for tracer, spans in tracers()]
    assert sdk == own


@pytest.mark.parametrize(
    ("limit", "deed"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", lambda span: span.set_attributes(dict.fromkeys("bcde", 1))),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", lambda span: span.set_attribute("b", "long")),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", lambda span: span.add_event("e", {"b": "long"}, 5)),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", lambda span: [span.add_event(name, None, 5) for name in "bcde"]),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", lambda span: [span.add_link(OTHER, {"n": n}) for n in range(4)]),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", lambda span: span.add_event("e", dict.fromkeys("bcde", 1), 5)),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", lambda span: span.add_link(OTHER, dict.fromkeys("bcde", 1))),
    ],
)
def test_the_sdks_limits_hold(monkeypatch: pytest.MonkeyPatch, limit: str, deed: Deed) -> None:
    """What goes beyond a standard limit is left out, and counted in the span."""
    monkeypatch.setenv(limit, "3")
    sdk, own = [exported(tracer, spans, [deed]) for tracer, spans in tracers()]
    assert sdk == own
    monkeypatch.delenv(limit)
    assert own != exported(*tracers()[1], [deed])


@pytest.mark.parametrize("chosen", [True, False])
def test_what_is_raised_inside_is_told(*, chosen: bool) -> None:
    """A span used as a block records what was raised, unless it is told not to, and ends."""
    told = []
    for tracer, spans in tracers():
        with (
            pytest.raises(ValueError, match="broken"),
            tracer.start_span("work", record_exception=chosen, set_status_on_exception=chosen),
        ):
            raise ValueError("broken")
        (span,) = spans.all
        told.append((span.status.status_code, span.status.description, [event.name for event in span.events]))
    assert told[0] == told[1]
    assert [StatusCode.ERROR if chosen else StatusCode.UNSET] == [told[1][0]]


def test_times_are_those_of_the_clock() -> None:
    """Without times of its own a span is from when it was started to when it was ended."""
    tracer, spans = tracers()[1]
    before = time.time_ns()
    tracer.start_span("work").end()
    (span,) = spans.all
    assert span.start_time is not None
    assert span.end_time is not None
    assert before <= span.start_time <= span.end_time <= time.time_ns()


def test_what_a_span_has_can_be_read_meanwhile() -> None:
    """Attributes can be read back while the span goes on."""
    tracer, _ = tracers()[1]
    span = tracer.start_span("work", attributes={"a": 1})
    span.set_attribute("b", 2)
    assert {"a": 1, "b": 2} == getattr(span, "attributes", None)


def test_a_change_after_the_end_is_said_to_be_lost(caplog: pytest.LogCaptureFixture) -> None:
    """A span that is over stays as it is, and whoever sets something more is warned."""
    tracer, spans = tracers()[1]
    span = tracer.start_span("work")
    span.end(5)
    span.set_attribute("late", 1)
    span.end(9)
    (kept,) = spans.all
    assert (5, {}) == (kept.end_time, dict(kept.attributes or {}))
    assert ["set_attribute was asked of a span that has ended", "end was asked of a span that has ended"] == (
        caplog.messages
    )


@pytest.mark.parametrize("flags", range(4))
def test_who_is_no_root_keeps_the_flags_of_its_parent(flags: int) -> None:
    """Whether ids are random is said by the root that made them, and handed on from service to service."""
    tracer, _ = tracers()[1]
    assert 3 == tracer.start_span("root").get_span_context().trace_flags
    parent = extract({"traceparent": f"00-{1:032x}-{1:016x}-{flags:02x}"})
    child = tracer.start_span("child", trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    assert f"-{flags:02x}" == inject(child.get_span_context())["traceparent"][-3:]
