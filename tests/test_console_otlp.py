"""OTLP bodies that are understood: what the SDK sends, each part of a span, and what others write."""

import gzip
import json
import math
import zlib
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from cart_observability.console import records
from cart_observability.console.records import Span
from cart_observability.console.traces import otlp, spans
from cart_observability.console.traces.otlp import JSON, PROTOBUF, Received
from cart_observability.tracing import NO_TRACE, SCOPE, tracer_for
from support.console_records import kept
from support.observability import Spans
from support.otlp_bodies import (
    END,
    NOW,
    START,
    TRACE,
    as_json,
    attributes_of,
    body,
    finished,
    json_span,
    message,
    request,
)


def test_what_the_sdk_sends() -> None:
    """Spans that the SDK exports arrive as they were, in every encoding."""
    sent = finished()
    received = otlp.decode(body(sent), PROTOBUF)
    assert (len(sent), 0, "") == (len(received.spans), received.rejected, received.reason)
    by_name = {span.name: span for span in received.spans}
    process = by_name["process cart.threshold"]
    create = by_name["create cart.item_added"]
    assert ("cartscope-worker-threshold", "consumer", "ValueError: no", create.span_id, create.trace_id) == (
        process.service,
        process.kind,
        process.error,
        process.parent_id,
        process.trace_id,
    )
    assert {"cartscope.attempt": 2, "cartscope.outcome": "retried"} == process.attributes
    in_json = json.dumps(as_json(encode_spans(sent))).encode()
    assert received == otlp.decode(gzip.compress(body(sent)), PROTOBUF, "gzip")
    assert received == otlp.decode(zlib.compress(body(sent)), "application/x-protobuf; charset=x", "DEFLATE")
    assert received == otlp.decode(in_json, "Application/JSON; charset=utf-8")
    assert received == otlp.decode(gzip.compress(in_json), JSON, "gzip")


def test_all_parts_of_a_span() -> None:
    """Kind, times, status, links and attributes of every type of a span that the SDK exports arrive."""
    memory = Spans()
    tracer = tracer_for("parcels", memory.processor)
    links = [Link(tracer.child("other", NO_TRACE).get_span_context())]
    values: dict[str, AttributeValue] = {
        "text": "ä",
        "number": -7,
        "share": 0.5,
        "yes": True,
        "list": ["a", "b"],
        "numbers": [1, 2],
    }
    with tracer.start_as_current_span("work", kind=SpanKind.CLIENT, attributes=values, links=links) as span:
        span.set_status(StatusCode.ERROR, "it broke")
    [exported] = memory.all
    context, link = span.get_span_context(), links[0].context
    expected = Span(
        trace.format_trace_id(context.trace_id),
        trace.format_span_id(context.span_id),
        None,
        "parcels",
        "work",
        "client",
        exported.start_time or 0,
        exported.end_time or 0,
        "it broke",
        values,
        [records.Link(trace.format_trace_id(link.trace_id), trace.format_span_id(link.span_id))],
    )
    assert [expected] == otlp.decode(body([exported]), PROTOBUF).spans
    assert SCOPE.name == "cart_observability"


def test_what_is_received_can_be_recorded() -> None:
    """What the SDK exports makes a trace, and an event that links its spans."""
    with kept() as connection:
        received = otlp.decode(body(finished()), PROTOBUF).spans
        assert 14 == spans.record(connection, received)
        assert 7 == len((spans.trace(connection, received[0].trace_id) or {})["spans"])


def test_empty() -> None:
    """A body without spans is right, in both encodings."""
    assert Received([], 0, "") == otlp.decode(b"", PROTOBUF) == otlp.decode(b"{}", JSON)
    assert [] == otlp.decode(b'{"resourceSpans": [{"scopeSpans": null, "unknown": {"a": [1]}}]}', JSON).spans


FAILURES = [
    ({}, None),
    ({"status": Status(code=Status.STATUS_CODE_OK)}, None),
    ({"status": Status(code=Status.STATUS_CODE_ERROR)}, "error"),
    ({"status": Status(code=Status.STATUS_CODE_ERROR, message="no")}, "no"),
    ({"status": Status(code=Status.STATUS_CODE_ERROR), "type": "TimeoutError"}, "TimeoutError"),
    ({"type": "TimeoutError"}, "TimeoutError"),
    ({"status": Status(code=Status.STATUS_CODE_OK), "type": "TimeoutError"}, None),
]


@pytest.mark.parametrize(("parts", "expected"), FAILURES)
def test_failures(parts: dict[str, Any], expected: str | None) -> None:
    """A span failed if its status says so, or its `error.type` where no status is set."""
    kind = parts.pop("type", None)
    if kind:
        parts["attributes"] = [KeyValue(key="error.type", value=AnyValue(string_value=kind))]
    [received] = otlp.decode(request(message(**parts)), PROTOBUF, now=NOW).spans
    assert expected == received.error


def test_answers() -> None:
    """A body that was taken whole is answered with an empty message, in the encoding of the request."""
    whole = Received([], 0, "")
    assert (b"", PROTOBUF) == otlp.answer(whole, PROTOBUF)
    assert (b"{}", JSON) == otlp.answer(whole, "application/json; charset=utf-8")
    assert (b'{"code":3,"message":"no"}', JSON) == otlp.refusal("no", JSON)
    assert b"no" in otlp.refusal("no", PROTOBUF).body


VALUES = [
    (AnyValue(), None),
    (AnyValue(string_value=""), ""),
    (AnyValue(bool_value=False), False),
    (AnyValue(int_value=0), 0),
    (AnyValue(int_value=-(1 << 63)), str(-(1 << 63))),
    (AnyValue(double_value=math.nan), "nan"),
    (AnyValue(double_value=-math.inf), "-inf"),
    (AnyValue(bytes_value=b"\xff\x00"), "/wA="),
    (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])), [1, None]),
    (
        AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=AnyValue(double_value=0.5))])),
        {"a": 0.5},
    ),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_values(value: AnyValue, expected: Any) -> None:
    """Values of every type arrive, and what JSON has no number for arrives as text, in both encodings alike."""
    assert {"a": expected} == attributes_of(a=value)
    sent = ExportTraceServiceRequest.FromString(
        request(message(attributes=[KeyValue(key="a", value=value)]), service="")
    )
    [received] = otlp.decode(json.dumps(as_json(sent)).encode(), JSON, now=NOW).spans
    assert {"a": expected} == received.attributes


LENIENT = [
    ({"kind": 5}, "consumer"),
    ({"kind": "SPAN_KIND_CONSUMER"}, "consumer"),
    ({"kind": "5"}, "consumer"),
    ({"kind": 99}, "internal"),
    ({"kind": "nonsense"}, "internal"),
    ({"kind": 5.5}, "consumer"),
    ({"startTimeUnixNano": START, "endTimeUnixNano": END, "kind": 1}, "internal"),
    ({"traceId": TRACE.hex().upper(), "kind": 2}, "server"),
]


@pytest.mark.parametrize(("parts", "kind"), LENIENT)
def test_json_of_others(parts: dict[str, Any], kind: str) -> None:
    """JSON with enumerations by number or name, times as numbers or texts, and ids in any case is understood."""
    [received] = json_span(**parts).spans
    assert (kind, TRACE.hex(), START, END) == (received.kind, received.trace_id, received.start, received.end)
