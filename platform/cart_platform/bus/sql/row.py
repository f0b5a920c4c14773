"""What a row of the file says: messages, headers and histories in columns. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cart_platform.bus import DeadLetter, Delivery, Failure, Publication
from cart_platform.events import Malformed, Message, decode

REPLAYED = "cartscope-replayed"
"""The header that counts how often a message was replayed."""

KEPT_FAILURES = 16
TRACEBACK_CHARACTERS = 2_000

# MessagePack keeps text, numbers, truth values and bytes apart; what it does not know becomes text.
_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder = msgspec.msgpack.Decoder(dict[str, Any])
_failures_decoder = msgspec.msgpack.Decoder(tuple[Failure, ...])


def content(publication: Publication) -> dict[str, Any]:
    """The columns of a message, its queue apart."""
    message = publication.message
    return {
        "routing_key": publication.routing_key,
        "message_id": message.message_id,
        "content_type": message.content_type,
        "headers": encode_headers(message.headers),
        "body": message.body,
    }


def encode_headers(headers: Mapping[str, Any]) -> bytes:
    """Headers as bytes; a value that cannot be kept as it is becomes text."""
    try:
        return _encoder.encode(headers)
    except (OverflowError, RecursionError, TypeError, ValueError):
        return _encoder.encode({printable(name): printable(value) for name, value in headers.items()})


def printable(value: Any) -> str:
    """The value as text that any encoding can take."""
    return str(value).encode(errors="backslashreplace").decode()


def delivery(row: Sequence[Any]) -> Delivery:
    """The delivery of a row of `queues.ARRIVAL` columns."""
    number, queue, key, message_id, content_type, headers, body, failures, attempt, deliveries = row
    return Delivery(
        queue,
        key,
        Message(body, _decoder.decode(headers), content_type, message_id),
        attempt,
        deliveries > 1,
        decode_failures(failures),
        number,
    )


def history(delivered: Delivery, failure: Failure | None) -> bytes | None:
    """The failures of a message with one more, the latest `KEPT_FAILURES` of them."""
    failures = delivered.failures if failure is None else (*delivered.failures, _bounded(failure))
    return _encoder.encode(failures[-KEPT_FAILURES:]) if failures else None


def _bounded(failure: Failure) -> Failure:
    texts = (failure.time, failure.error[:TRACEBACK_CHARACTERS], failure.traceback[:TRACEBACK_CHARACTERS])
    return Failure(failure.attempt, *(printable(text) for text in texts))


def decode_failures(data: bytes | None) -> tuple[Failure, ...]:
    """The failures in a row."""
    return _failures_decoder.decode(data) if data else ()


def dead_letter(row: Any) -> DeadLetter:
    """The dead letter of a row of that table."""
    message = Message(row.body, _decoder.decode(row.headers), row.content_type, row.message_id)
    event_id, event_type = _event(message)
    return DeadLetter(
        id=str(row.id),
        queue=row.queue,
        reason=row.reason,
        time=row.time,
        attempts=row.attempts,
        failures=decode_failures(row.failures),
        routing_key=row.routing_key,
        body=message.body,
        headers=message.headers,
        content_type=message.content_type,
        event_id=event_id,
        event_type=event_type,
    )


def _event(message: Message) -> tuple[str | None, str | None]:
    try:
        event = decode(message)
    except Malformed:
        return None, None
    return event.id, event.type


def count_replay(headers: bytes) -> bytes:
    """The headers with one more replay counted."""
    decoded = _decoder.decode(headers)
    replayed = decoded.get(REPLAYED)
    return encode_headers(decoded | {REPLAYED: replayed + 1 if type(replayed) is int else 1})
