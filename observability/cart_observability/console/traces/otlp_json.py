"""OTLP spans from JSON: ids in hexadecimal, 64-bit numbers as numbers or texts, enumerations as numbers or names.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from cart_observability.console.traces.otlp_span import Draft, plain

MOST_OBJECTS: Final = 500_000
"""Of one body: each takes many times the room of its text."""
DEEPEST: Final = 32
"""Lists and maps within one another; what is deeper is left out."""

Number = int | float | str | None

_HEX: Final = re.compile("[0-9a-fA-F]*")
_KINDS: Final = {
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}
_STATUSES: Final = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_MOST_64: Final = 1 << 63
_UNKNOWN: Final = _MOST_64
"""Size of a span, of which only the whole body's is known."""


class _Value(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number = None
    double_value: Number = None
    bytes_value: str | None = None
    array_value: "_Array | None" = None
    kvlist_value: "_Pairs | None" = None


class _Array(msgspec.Struct):
    values: list[_Value | None] | None = None


class _Pair(msgspec.Struct):
    key: str | None = None
    value: _Value | None = None


class _Pairs(msgspec.Struct):
    values: list[_Pair] | None = None


class _Link(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None


class _Status(msgspec.Struct):
    code: Number = None
    message: str | None = None


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: Number = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[_Pair] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None


class _ScopeSpans(msgspec.Struct):
    spans: list[_Span] | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Pair] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None


_decode: Final = msgspec.json.Decoder(_Request).decode


def drafts(body: bytes) -> Iterator[Draft]:
    """The spans of an `ExportTraceServiceRequest`, one after the other.

    Raises:
        ValueError: It is none, or has too many parts.
        RecursionError: Its parts are too deep within one another.
    """
    if body.count(b"{") > MOST_OBJECTS:
        raise ValueError(f"there are more than {MOST_OBJECTS:,} objects")
    for resource_spans in _decode(body).resource_spans or ():
        resource = resource_spans.resource
        attributes = _plain_pairs(resource.attributes if resource else None)
        service = attributes.get("service.name")
        for scope_spans in resource_spans.scope_spans or ():
            for span in scope_spans.spans or ():
                yield _draft(service if isinstance(service, str) else "", span)


def _draft(service: str, span: _Span) -> Draft:
    status = span.status or _Status()
    return Draft(
        _id(span.trace_id),
        _id(span.span_id),
        _id(span.parent_span_id),
        service,
        span.name or "",
        _code(span.kind, _KINDS),
        _integer(span.start_time_unix_nano),
        _integer(span.end_time_unix_nano),
        _code(status.code, _STATUSES),
        status.message or "",
        _plain_pairs(span.attributes),
        [(_id(link.trace_id), _id(link.span_id)) for link in span.links or ()],
        _UNKNOWN,
    )


def _id(text: str | None) -> str:
    """An id in lower case; what is no hexadecimal number has a length that no id has."""
    return "?" if text and not _HEX.fullmatch(text) else (text or "").lower()


def _code(value: Number, names: Mapping[str, int]) -> int:
    return names[value] if isinstance(value, str) and value in names else _integer(value)


def _integer(value: Number) -> int:
    """A 64-bit number; 0 for none, as in protobuf, and -1 for anything else."""
    if value is None:
        return 0
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return -1
    return number if -_MOST_64 <= number < _MOST_64 else -1


def _plain_pairs(pairs: Sequence[_Pair] | None, depth: int = 0) -> dict[str, Any]:
    return {pair.key or "": _plain(pair.value, depth) for pair in pairs or ()}


def _plain(value: _Value | None, depth: int) -> Any:
    if value is None or depth > DEEPEST:
        return None
    if value.int_value is not None:
        return plain(_integer(value.int_value))
    if value.double_value is not None:
        return _float(value.double_value)
    if value.array_value is not None:
        return [_plain(each, depth + 1) for each in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _plain_pairs(value.kvlist_value.values, depth + 1)
    simple = (value.string_value, value.bool_value, value.bytes_value)
    return next((each for each in simple if each is not None), None)


def _float(value: float | str) -> float | str | None:
    """A number; texts are those of protobuf's JSON: NaN, Infinity, -Infinity, or a number."""
    try:
        return plain(float(value))
    except ValueError:
        return None
