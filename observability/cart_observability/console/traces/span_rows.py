"""Rows of spans, and the spans that they are."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cart_observability.console.records import Link, Span

COLUMNS: Final = "id, parent, point, service, name, kind, start, end, failed, error, attributes, links"

Row = Sequence[Any]
"""The values of `COLUMNS`."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_decode_links: Final = msgspec.json.Decoder(list[Link]).decode


def row_of(trace: int, span: Span, span_id: bytes, parent: bytes | None, point: int) -> Row:
    """The number of a span's trace, and its values of `COLUMNS`, with its ids as bytes and the number of its point."""
    return (
        trace,
        span_id,
        parent,
        point,
        span.service,
        span.name,
        span.kind,
        span.start,
        span.end,
        int(span.error is not None),
        span.error,
        _encode(span.attributes).decode(),
        _encode(span.links).decode() if span.links else None,
    )


def span_of(trace_id: str, row: Row) -> Span:
    """The span that a row is."""
    span_id, parent, _, service, name, kind, start, end, _, error, attributes, links = row
    return Span(
        trace_id,
        span_id.hex(),
        None if parent is None else parent.hex(),
        service,
        name,
        kind,
        start,
        end,
        error,
        _decode(attributes),
        _decode_links(links) if links else (),
    )


def identity(text: str | None) -> bytes | None:
    """An id as it is kept; None for None, and for what is no id."""
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        return None
