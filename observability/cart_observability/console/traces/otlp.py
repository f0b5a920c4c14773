"""Bodies of OTLP over HTTP, `POST /v1/traces`: spans from protobuf or JSON, compressed or not, and the answer to them.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
"""

import time
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # as all of Google's
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from cart_observability.console.records import Span
from cart_observability.console.traces import otlp_json, otlp_protobuf
from cart_observability.console.traces.otlp_span import Draft, Unfit, checked

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

LARGEST_SENT: Final = 8 * 1024 * 1024
"""Bytes of a body as it is sent."""
LARGEST_UNPACKED: Final = 16 * 1024 * 1024
"""Bytes of a body that was compressed."""
MOST_SPANS: Final = 50_000
"""Of one body."""
MOST_AHEAD: Final = 24 * 3600 * 1_000_000_000
"""By which another machine's clock may be ahead of this one's, in ns."""

_READERS: Final[dict[str, Callable[[bytes], Iterator[Draft | Unfit]]]] = {
    PROTOBUF: otlp_protobuf.drafts,
    JSON: otlp_json.drafts,
}
_WINDOWS: Final = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_INVALID_ARGUMENT: Final = 3
"""Of the codes of `google.rpc.Status`."""


class Refused(ValueError):  # noqa: N818  an answer to a sender
    """Nothing can be made of a body.

    Attributes:
        status: Of the answer by HTTP: 400, 413 or 415.
        reason: For the sender.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Received(NamedTuple):
    """The spans of a body, and how many of it are none that can be kept; `reason` is that of the first of these."""

    spans: list[Span]
    rejected: int
    reason: str


class Answer(NamedTuple):
    """A body, and its media type."""

    body: bytes
    media_type: str


def decode(body: bytes, content_type: str, content_encoding: str = "", now: int | None = None) -> Received:
    """The spans of a body.

    Args:
        body: As it was sent.
        content_type: Header of the request.
        content_encoding: Header of the request; "" without one.
        now: Time in ns since the epoch, this moment by default.

    Raises:
        Refused: Nothing can be made of it.
    """
    if len(body) > LARGEST_SENT:
        raise Refused(413, f"the body has more than {LARGEST_SENT:,} bytes")
    read = _READERS.get(media_type_of(content_type))
    if read is None:
        raise Refused(415, f"the body is neither {PROTOBUF} nor {JSON}")
    unpacked = _unpacked(body, content_encoding.strip().lower())
    try:
        return _received(read(unpacked), (time.time_ns() if now is None else now) + MOST_AHEAD)
    except (DecodeError, ValueError, RecursionError) as error:
        raise error if isinstance(error, Refused) else Refused(400, f"the body is no such message: {error}") from error


def answer(received: Received, content_type: str) -> Answer:
    """The answer to a body whose spans were taken; it says how many could not be."""
    count, reason = received.rejected, received.reason
    if media_type_of(content_type) == JSON:
        partial = {"partialSuccess": {"rejectedSpans": str(count), "errorMessage": reason}} if count else {}
        return Answer(msgspec.json.encode(partial), JSON)
    success = ExportTracePartialSuccess(rejected_spans=count, error_message=reason) if count else None
    return Answer(ExportTraceServiceResponse(partial_success=success).SerializeToString(), PROTOBUF)


def refusal(reason: str, content_type: str) -> Answer:
    """The body of an answer by which a request is refused, for whatever reason: a `google.rpc.Status`."""
    if media_type_of(content_type) == JSON:
        return Answer(msgspec.json.encode({"code": _INVALID_ARGUMENT, "message": reason}), JSON)
    return Answer(Status(code=_INVALID_ARGUMENT, message=reason).SerializeToString(), PROTOBUF)


def media_type_of(content_type: str) -> str:
    """A media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _received(drafts: Iterator[Draft | Unfit], latest: int) -> Received:
    spans: list[Span] = []
    rejected, reason = 0, ""
    for draft in drafts:
        try:
            if isinstance(draft, Unfit):
                raise draft
            spans.append(checked(draft, latest))
        except Unfit as unfit:
            rejected += 1
            reason = reason or str(unfit)
        if len(spans) + rejected > MOST_SPANS:
            raise Refused(413, f"the body has more than {MOST_SPANS:,} spans")
    return Received(spans, rejected, reason)


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding not in _WINDOWS:
        raise Refused(415, f"the body is compressed by {encoding[:40]}, not by gzip")
    try:
        return _inflated(body, _WINDOWS[encoding])
    except zlib.error as error:
        raise Refused(400, f"the body is not compressed by {encoding}: {error}") from error


def _inflated(body: bytes, window: int) -> bytes:
    stream = zlib.decompressobj(window)
    unpacked = stream.decompress(body, LARGEST_UNPACKED + 1)
    if len(unpacked) > LARGEST_UNPACKED:
        raise Refused(413, f"the body has more than {LARGEST_UNPACKED:,} bytes when it is unpacked")
    if not stream.eof or stream.unused_data:
        raise zlib.error("its end is missing, or something is behind it")
    return unpacked
