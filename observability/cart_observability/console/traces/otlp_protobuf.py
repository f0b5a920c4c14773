"""OTLP spans from protobuf: the outer messages are only walked through, so that one span at a time is in memory.

What is parsed takes many times the room of its bytes; a body of nothing but empty fields would take some hundred times.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from cart_observability.console.traces.otlp_span import MOST_LINKS, Draft, Unfit, plain
from cart_observability.console.traces.wire import Malformed, Walk

LARGEST: Final = 256 * 1024
"""Bytes of one span, or of one resource."""
MOST_STEPS: Final = 1_000_000
"""Fields, attributes and values of one body that are looked at: a second's work, and more than any sender needs."""

_RESOURCE_SPANS: Final = 1
_RESOURCE: Final = 1
_SCOPE_SPANS: Final = 2
_SPANS: Final = 2


def drafts(body: bytes) -> Iterator[Draft | Unfit]:
    """The spans of an `ExportTraceServiceRequest`, one after the other; why not, for one that is too large.

    Raises:
        Malformed: It is none, or has too many or too large parts.
        DecodeError: A span or resource is none.
    """
    return _Reader(body).drafts()


class _Reader:
    """Reads one body."""

    def __init__(self, body: bytes) -> None:
        self._walk = Walk(body, MOST_STEPS)

    def drafts(self) -> Iterator[Draft | Unfit]:
        """Its spans."""
        parts = self._walk.parts
        for resource_spans in parts(0, len(self._walk.data), _RESOURCE_SPANS):
            service = self._service(parts(*resource_spans, _RESOURCE))
            for scope_spans in parts(*resource_spans, _SCOPE_SPANS):
                for start, end in parts(*scope_spans, _SPANS):
                    if end - start > LARGEST:
                        yield Unfit(f"the span has more than {LARGEST:,} bytes")
                        continue
                    span = Message.FromString(self._walk.data[start:end])
                    yield self._draft(service, span, end - start)

    def _resource(self, start: int, end: int) -> bytes:
        if end - start > LARGEST:
            raise Malformed(f"a resource has more than {LARGEST:,} bytes")
        return self._walk.data[start:end]

    def _service(self, places: Iterator[tuple[int, int]]) -> str:
        # A message that is sent in parts is one of all their bytes.
        resource = Resource.FromString(b"".join(self._resource(start, end) for start, end in places))
        self._walk.step(len(resource.attributes))
        names = [pair.value.string_value for pair in resource.attributes if pair.key == "service.name"]
        return names[0] if names else ""

    def _draft(self, service: str, span: Message, size: int) -> Draft:
        status = span.status
        return Draft(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            service,
            span.name,
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            status.code,
            status.message,
            self._pairs(span.attributes),
            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links[:MOST_LINKS]] if span.links else (),
            size,
        )

    def _pairs(self, pairs: Sequence[KeyValue]) -> dict[str, Any]:
        self._walk.step(len(pairs))
        # Nearly all values are texts, and to ask first of which kind they are costs more.
        return {pair.key: (value := pair.value).string_value or self._plain(value) for pair in pairs}

    def _plain(self, value: AnyValue) -> Any:
        kind = value.WhichOneof("value")
        if kind in {"int_value", "double_value"}:
            return plain(getattr(value, kind))
        if kind == "array_value":
            self._walk.step(len(value.array_value.values))
            return [self._plain(each) for each in value.array_value.values]
        if kind == "kvlist_value":
            return self._pairs(value.kvlist_value.values)
        if kind == "bytes_value":
            return b64encode(value.bytes_value).decode()
        return None if kind is None else getattr(value, kind)
