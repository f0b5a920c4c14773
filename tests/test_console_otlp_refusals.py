"""OTLP bodies that are refused, as a whole or in part; and that nothing else ever happens, whatever is sent."""

import gzip
import json
import time
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from cart_observability.console.events import events
from cart_observability.console.traces import otlp, otlp_json, otlp_protobuf, otlp_span, spans
from cart_observability.console.traces.otlp import JSON, PROTOBUF, Received
from support.console_records import kept
from support.otlp_bodies import (
    END,
    NOW,
    SPAN,
    TRACE,
    as_json,
    attributes_of,
    body,
    decoded,
    finished,
    json_span,
    message,
    part,
    request,
    status_of,
)

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
    part(1, b"\x0a\x00" * MANY),
    part(1, EMPTY),
    part(1, part(1, b"\x0a\x00" * MANY)),
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
        deeper = part(5, part(1, deeper))
    span = message().SerializeToString() + part(9, part(1, b"a") + part(2, deeper))
    assert 400 == decoded(part(1, part(2, part(2, span))))
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
