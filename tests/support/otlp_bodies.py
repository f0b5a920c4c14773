"""OTLP bodies of every kind, and what the console makes of them."""

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.sdk.trace import ReadableSpan

from cart_observability.console.traces import otlp
from cart_observability.console.traces.otlp import JSON, PROTOBUF, Received, Refused
from support.traced_events import Tracers, event

NOW = 1_800_000_000_000_000_000
TRACE = bytes(range(1, 17))
SPAN = bytes(range(1, 9))
START, END = NOW - 2_000, NOW - 1_000


def finished() -> list[ReadableSpan]:
    """The spans of two events, as the chain's processes make them, one of which failed."""
    tracers = Tracers()
    event(tracers)
    event(tracers, failed=True, outcome="retried", attempt=2)
    return tracers.finished()


def body(sent: Sequence[ReadableSpan]) -> bytes:
    """What the SDK's exporter sends."""
    return bytes(encode_spans(sent).SerializeToString())


def as_json(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """The same as JSON, by the rules of OTLP: ids in hexadecimal."""

    def hexadecimal(value: Any) -> Any:
        if isinstance(value, list):
            return [hexadecimal(each) for each in value]
        if isinstance(value, dict):
            return {
                key: b64decode(each).hex() if key in {"traceId", "spanId", "parentSpanId"} else hexadecimal(each)
                for key, each in value.items()
            }
        return value

    told: dict[str, Any] = hexadecimal(MessageToDict(request))
    return told


def request(*messages: Message, service: str = "api") -> bytes:
    """A body with these spans."""
    named = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service))])
    resource_spans = ResourceSpans(resource=named, scope_spans=[ScopeSpans(spans=messages)])
    return bytes(ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString())


def message(**parts: Any) -> Message:
    """A span that can be kept."""
    fine: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
    }
    return Message(**(fine | parts))


def attributes_of(**values: AnyValue) -> dict[str, Any]:
    """What is kept of attributes."""
    sent = message(attributes=[KeyValue(key=key, value=value) for key, value in values.items()])
    [received] = otlp.decode(request(sent), PROTOBUF, now=NOW).spans
    return dict(received.attributes)


def part(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that has a length."""
    length, rest = bytearray(), len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content


def json_span(**parts: Any) -> Received:
    """What is received of a span in JSON."""
    fine = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "startTimeUnixNano": str(START), "endTimeUnixNano": str(END)}
    sent = {"resourceSpans": [{"scopeSpans": [{"spans": [fine | parts]}]}]}
    return otlp.decode(json.dumps(sent).encode(), JSON, now=NOW)


def status_of(sent: bytes, content_type: str = PROTOBUF, encoding: str = "") -> int:
    """By which status a body is refused."""
    with pytest.raises(Refused) as refused:
        otlp.decode(sent, content_type, encoding, NOW)
    return refused.value.status


def decoded(sent: bytes, content_type: str = PROTOBUF, encoding: str = "") -> Received | int:
    """What is received, or the status by which it is refused: no third thing may happen."""
    try:
        return otlp.decode(sent, content_type, encoding)
    except Refused as refused:
        return refused.status if refused.reason else 0
