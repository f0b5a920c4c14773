"""OTLP bodies: what the SDK sends is understood, what is not OTLP is refused, and nothing else ever happens."""

import gzip
import json
import math
import time
import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from cart_observability.console import records
from cart_observability.console.events import events
from cart_observability.console.records import Span
from cart_observability.console.traces import otlp, otlp_json, otlp_protobuf, otlp_span, spans
from cart_observability.console.traces.otlp import JSON, PROTOBUF, Received, Refused
from cart_observability.tracing import NO_TRACE, SCOPE, tracer_for
from support.console_records import kept
from support.observability import Spans
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


def _part(number: int, content: bytes) -> bytes:
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


UNFIT = [
    {"trace_id": b""},
    {"trace_id": TRACE[:15]},
    {"trace_id": bytes(16)},
    {"span_id": SPAN + b"9"},
    {"span_id": bytes(8)},
    {"parent_span_id": b"123"},
    {"start_time_unix_nano": 0},
    {"start_time_unix_nano": END + 1},
    {"end_time_unix_nano": 0},
    {"end_time_unix_nano": NOW + 2 * otlp.MOST_AHEAD},
    {"end_time_unix_nano": (1 << 64) - 1},
    {"name": "x" * 300_000},
]


@pytest.mark.parametrize("parts", UNFIT)
def test_unfit_spans(parts: dict[str, Any]) -> None:
    """A span whose ids or times are none, or that is too large, is left out and counted; those beside it are taken."""
    received = otlp.decode(request(message(**parts), message(name="fine")), PROTOBUF, now=NOW)
    assert (["fine"], 1) == ([span.name for span in received.spans], received.rejected)
    partial = ExportTraceServiceResponse.FromString(otlp.answer(received, PROTOBUF).body).partial_success
    assert (1, received.reason) == (partial.rejected_spans, partial.error_message)
    assert received.reason
    told = json.loads(otlp.answer(received, JSON).body)
    assert {"partialSuccess": {"rejectedSpans": "1", "errorMessage": received.reason}} == told


def test_answers() -> None:
    """A body that was taken whole is answered with an empty message, in the encoding of the request."""
    whole = Received([], 0, "")
    assert (b"", PROTOBUF) == otlp.answer(whole, PROTOBUF)
    assert (b"{}", JSON) == otlp.answer(whole, "application/json; charset=utf-8")
    assert (b'{"code":3,"message":"no"}', JSON) == otlp.refusal("no", JSON)
    assert b"no" in otlp.refusal("no", PROTOBUF).body


REFUSED = [
    (b"", "", "", 415),
    (b"{}", "text/plain", "", 415),
    (b"{}", JSON, "br", 415),
    (b"", JSON, "", 400),
    (b"[]", JSON, "", 400),
    (b"{", JSON, "", 400),
    (b'{"resourceSpans": 7}', JSON, "", 400),
    (b'{"resourceSpans": [{"resource": {"attributes": [{"key": "\xff"}]}}]}', JSON, "", 400),
    (b'{"resourceSpans": [{"resource": {"attributes": [{"key": "\\ud800"}]}}]}', JSON, "", 400),
    (b"\xff" * 50, PROTOBUF, "", 400),
    (b"\x0a\x05\x00", PROTOBUF, "", 400),
    (b"\x0a", PROTOBUF, "", 400),
    (b"\x00\x00", PROTOBUF, "", 400),
    (b"\x0d\x00\x00", PROTOBUF, "", 400),
    (b"\x0b", PROTOBUF, "", 400),
    (b"{}", JSON, "gzip", 400),
    (gzip.compress(b"{}")[:-4], JSON, "gzip", 400),
    (gzip.compress(b"{}") + b"more", JSON, "gzip", 400),
    (bytes(otlp.LARGEST_SENT + 1), PROTOBUF, "", 413),
    (gzip.compress(bytes(20 * 1024 * 1024), 1), PROTOBUF, "gzip", 413),
    (b"{" * 600_000, JSON, "", 400),
    (b'{"resourceSpans":' + b"[" * 200_000, JSON, "", 400),
    (request(message(), service="x" * 300_000), PROTOBUF, "", 400),
]


@pytest.mark.parametrize(("sent", "content_type", "encoding", "status"), REFUSED)
def test_refused(sent: bytes, content_type: str, encoding: str, status: int) -> None:
    """What is no OTLP body, or too large before or after it is unpacked, is refused with a status and a reason."""
    assert status == status_of(sent, content_type, encoding)


def test_too_many_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body has so many spans at most, fit or not."""
    monkeypatch.setattr(otlp, "MOST_SPANS", 3)
    assert 413 == status_of(request(*[message(span_id=b"") for _ in range(4)]))


MANY = 200
EMPTY = b"".join([b"\x12\x00"] * MANY)
HOSTS_OF_PARTS = [
    b"\x0a\x00" * MANY,
    b"\x10\x00" * MANY,
    _part(1, b"\x0a\x00" * MANY),
    _part(1, EMPTY),
    _part(1, _part(1, b"\x0a\x00" * MANY)),
    request(message(attributes=[KeyValue()] * MANY)),
    request(message(attributes=[KeyValue(value=AnyValue(array_value=ArrayValue(values=[AnyValue()] * MANY)))])),
    request(message(attributes=[KeyValue(value=AnyValue(kvlist_value=KeyValueList(values=[KeyValue()] * MANY)))])),
    request(*[message(attributes=[KeyValue()] * 20)] * 10),
]


@pytest.mark.parametrize("sent", HOSTS_OF_PARTS)
def test_too_many_parts(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """However a body is made of very many small parts, only so many are looked at."""
    monkeypatch.setattr(otlp_protobuf, "MOST_STEPS", MANY - 1)
    assert 400 == status_of(sent)


def test_too_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body in JSON has so many objects at most."""
    monkeypatch.setattr(otlp_json, "MOST_OBJECTS", 3)
    assert 400 == status_of(b'{"resourceSpans": [{}, {}, {}]}', JSON)
    assert Received([], 0, "") == otlp.decode(b'{"resourceSpans": [{}, {}]}', JSON)


def test_a_bomb_is_not_unpacked() -> None:
    """Of a body that unpacks to very much no more is unpacked than is allowed."""
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(100)) + packer.flush()
    started = time.process_time()
    assert 413 == status_of(bomb, PROTOBUF, "gzip")
    assert 1 > time.process_time() - started


def test_deep_values() -> None:
    """A value within a thousand others is cut off or refused, in both encodings."""
    value = AnyValue(string_value="deep")
    for _ in range(30):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    assert {"a"} == set(attributes_of(a=value))
    deeper = b""
    for _ in range(1000):  # by hand, as the library makes none so deep: a value, in an array, in a value
        deeper = _part(5, _part(1, deeper))
    span = message().SerializeToString() + _part(9, _part(1, b"a") + _part(2, deeper))
    assert 400 == decoded(_part(1, _part(2, _part(2, span))))
    deep: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(100):
        deep = {"arrayValue": {"values": [deep]}}
    assert 1 == len(json_span(attributes=[{"key": "a", "value": deep}]).spans)


def test_large_values() -> None:
    """However large and many its attributes are, what is kept of a span is bounded."""
    kept = attributes_of(a=AnyValue(string_value="x" * 100_000))
    assert {"a": "x" * otlp_span.LONGEST_TEXT} == kept
    many = {f"a{number}": AnyValue(int_value=number) for number in range(1_000)}
    assert otlp_span.MOST_ATTRIBUTES == len(attributes_of(**many))
    much = {f"a{number}": AnyValue(string_value="x" * 4_000) for number in range(50)}
    assert otlp_span.MOST_CHARACTERS > len(json.dumps(attributes_of(**much)))
    nested = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="ä" * 1_000)] * 100))
    assert otlp_span.LONGEST_NESTED >= len(attributes_of(a=nested)["a"])
    assert {} == attributes_of(**{"x" * 100_000: AnyValue(int_value=1)})


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


JSON_UNFIT: list[dict[str, Any]] = [
    {"traceId": "x" * 32},
    {"traceId": None},
    {"spanId": "AQIDBAUGBwg="},
    {"parentSpanId": "nothing"},
    {"startTimeUnixNano": "soon"},
    {"endTimeUnixNano": 1e300},
    {"endTimeUnixNano": str(1 << 70)},
]


@pytest.mark.parametrize("parts", JSON_UNFIT)
def test_unfit_json(parts: dict[str, Any]) -> None:
    """A span in JSON whose ids or times are none is left out and counted."""
    assert ([], 1) == json_span(**parts)[:2]


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]), st.sampled_from(["", "gzip", "deflate"]))
def test_random_bytes(sent: bytes, content_type: str, encoding: str) -> None:
    """Whatever bytes come, they are received or refused."""
    decoded(sent, content_type, encoding)


REAL = body(finished())
REAL_JSON = json.dumps(as_json(encode_spans(finished()))).encode()


@given(
    st.sampled_from([(REAL, PROTOBUF, ""), (REAL_JSON, JSON, ""), (gzip.compress(REAL), PROTOBUF, "gzip")]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=4), st.integers(0, 4)), max_size=6),
    st.none() | st.integers(0, 1 << 20),
)
def test_mutated_bodies(
    real: tuple[bytes, str, str], changes: list[tuple[int, bytes, int]], length: int | None
) -> None:
    """A real body that was changed or cut anywhere is received or refused, and what is received can be recorded."""
    sent, content_type, encoding = real
    for position, inserted, removed in changes:
        place = position % len(sent)
        sent = sent[:place] + inserted + sent[place + removed :]
    received = decoded(sent if length is None else sent[: length % (len(sent) + 1)], content_type, encoding)
    if isinstance(received, Received):
        with kept() as connection:
            spans.record(connection, received.spans)
            assert all(spans.trace(connection, each.trace_id) for each in received.spans)
            msgspec.json.encode([events.find(connection), spans.traces(connection)])


TEXTS = st.text(max_size=20) | st.sampled_from(["\0", "e1", "create", "send", "process", "x" * 5_000, "<script>"])
HOSTILE: st.SearchStrategy[AnyValue] = st.recursive(
    st.builds(lambda value: AnyValue(string_value=value), TEXTS)
    | st.builds(lambda value: AnyValue(int_value=value), st.integers(-(1 << 63), (1 << 63) - 1))
    | st.builds(lambda value: AnyValue(double_value=value), st.floats())
    | st.builds(lambda value: AnyValue(bytes_value=value), st.binary(max_size=9))
    | st.builds(lambda value: AnyValue(bool_value=value), st.booleans())
    | st.just(AnyValue()),
    lambda inner: (
        st.builds(lambda values: AnyValue(array_value=ArrayValue(values=values)), st.lists(inner, max_size=3))
        | st.builds(
            lambda values: AnyValue(
                kvlist_value=KeyValueList(values=[KeyValue(key=key, value=value) for key, value in values.items()])
            ),
            st.dictionaries(TEXTS, inner, max_size=3),
        )
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "messaging.system",
        "messaging.operation.type",
        "messaging.message.id",
        "messaging.destination.name",
        "messaging.rabbitmq.destination.routing_key",
        "cloudevents.event_id",
        "cloudevents.event_type",
        "cartscope.handler",
        "cartscope.attempt",
        "cartscope.outcome",
        "error.type",
        "server.address",
        "\0",
        "",
    ]
)


@given(
    st.lists(
        st.tuples(st.dictionaries(NAMES, HOSTILE, max_size=8), st.integers(0, 7), st.integers(0, 3), TEXTS),
        max_size=4,
    )
)
def test_hostile_attributes(sent: list[tuple[Mapping[str, AnyValue], int, int, str]]) -> None:
    """Whatever attributes, kinds and names spans have, they are kept, and shown as JSON that a browser reads."""
    messages = [
        message(
            span_id=bytes([number + 1] * 8),
            parent_span_id=bytes([parent] * 8),
            kind=kind,
            name=name,
            attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        for number, (values, kind, parent, name) in enumerate(sent)
    ]
    received = otlp.decode(request(*messages, service=sent[0][3] if sent else ""), PROTOBUF, now=NOW)
    assert (len(messages), 0) == (len(received.spans), received.rejected)
    with kept() as connection:
        spans.record(connection, received.spans)
        trace = spans.trace(connection, TRACE.hex())
        shown = msgspec.json.encode([trace, events.find(connection), spans.edges(connection)])
        assert len(messages) == len(trace["spans"] if trace else [])
        assert json.loads(shown, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
