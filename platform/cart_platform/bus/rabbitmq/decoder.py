"""The properties of an AMQP 0-9-1 message that has arrived. Pure: no I/O.

pika reads them too, but a header that it cannot read (a timestamp outside the calendar, a number that is not finite,
tables nested by the thousand) ends its connection, and one such message in a queue would stop the queue's handler for
good. Here every header has a reading.
Source: AMQP 0-9-1 specification, section 4.2; field types as RabbitMQ writes them.
"""

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pika import spec

_MAXIMUM_DEPTH = 32  # of tables in tables; what lies deeper is given as its bytes
_TEXT = ord("S")


class Properties(spec.BasicProperties):  # type: ignore[misc]  # pika ships no types
    """A message's properties, of which content type, headers and message id are read; none of them is ever refused.

    Unlike in pika, every text is `str` (bytes that are not UTF-8 are escaped), save a header value, which stays bytes
    when it is no UTF-8.
    """

    def __init__(self, encoded: bytes) -> None:
        self.content_type: str | None = None
        self.headers: dict[str, Any] = {}
        self.message_id: str | None = None
        self._read(encoded)

    def _read(self, encoded: bytes) -> None:
        flags = int.from_bytes(encoded[12:14])
        offset = 14
        if flags & self.FLAG_CONTENT_TYPE:
            self.content_type, offset = _read_short(encoded, offset)
        if flags & self.FLAG_CONTENT_ENCODING:
            offset += 1 + encoded[offset]
        if flags & self.FLAG_HEADERS:
            end = offset + 4 + int.from_bytes(encoded[offset : offset + 4])
            self.headers = decode_table(encoded, offset + 4, end)
            offset = end
        if flags & self.FLAG_MESSAGE_ID:
            self.message_id, _ = _read_short(encoded, _skip(encoded, offset, flags))


def _skip(encoded: bytes, offset: int, flags: int) -> int:
    """Past delivery mode, priority, correlation id, reply-to and expiration, which nothing here asks for."""
    offset += bool(flags & spec.BasicProperties.FLAG_DELIVERY_MODE) + bool(flags & spec.BasicProperties.FLAG_PRIORITY)
    for flag in _SKIPPED_TEXTS:
        if flags & flag:
            offset += 1 + encoded[offset]
    return offset


_SKIPPED_TEXTS = (
    spec.BasicProperties.FLAG_CORRELATION_ID,
    spec.BasicProperties.FLAG_REPLY_TO,
    spec.BasicProperties.FLAG_EXPIRATION,
)


def _read_short(encoded: bytes, offset: int) -> tuple[str, int]:
    end = offset + 1 + encoded[offset]
    return encoded[offset + 1 : end].decode(errors="backslashreplace"), end


@lru_cache(maxsize=1024)
def _name(encoded: bytes) -> str:
    return encoded.decode(errors="backslashreplace")


def decode_table(encoded: bytes, offset: int, end: int, depth: int = 0) -> dict[str, Any]:
    """The table between two offsets; a field type that AMQP does not know ends it early."""
    table: dict[str, Any] = {}
    with suppress(KeyError, IndexError, struct.error):
        while offset < end:
            start = offset + 1
            offset = start + encoded[offset]
            name = _name(encoded[start:offset])
            if encoded[offset] == _TEXT:
                start = offset + 5
                offset = start + int.from_bytes(encoded[offset + 1 : start])
                table[name] = _decoded(encoded[start:offset])
            else:
                table[name], offset = _decode_value(encoded, offset, depth)
    return table


def _decoded(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _decode_value(encoded: bytes, offset: int, depth: int) -> tuple[Any, int]:
    kind = encoded[offset : offset + 1]
    offset += 1
    if kind in _FIXED:
        layout, convert = _FIXED[kind]
        return convert(*layout.unpack_from(encoded, offset)), offset + layout.size
    convert_long = _LONG[kind]
    start = offset + 4
    end = start + int.from_bytes(encoded[offset:start])
    return convert_long(encoded, start, end, depth + 1), end


def _read_time(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return seconds


def _read_array(encoded: bytes, offset: int, end: int, depth: int) -> list[Any] | bytes:
    if depth > _MAXIMUM_DEPTH:
        return encoded[offset:end]
    values = []
    while offset < end:
        value, offset = _decode_value(encoded, offset, depth)
        values.append(value)
    return values


def _read_table(encoded: bytes, offset: int, end: int, depth: int) -> dict[str, Any] | bytes:
    return encoded[offset:end] if depth > _MAXIMUM_DEPTH else decode_table(encoded, offset, end, depth)


def _same(value: Any) -> Any:
    return value


_FIXED: Mapping[bytes, tuple[struct.Struct, Callable[..., Any]]] = {
    b"t": (struct.Struct(">B"), bool),
    b"b": (struct.Struct(">b"), _same),
    b"B": (struct.Struct(">B"), _same),
    b"s": (struct.Struct(">h"), _same),
    b"u": (struct.Struct(">H"), _same),
    b"I": (struct.Struct(">i"), _same),
    b"i": (struct.Struct(">I"), _same),
    b"l": (struct.Struct(">q"), _same),
    b"f": (struct.Struct(">f"), _same),
    b"d": (struct.Struct(">d"), _same),
    b"D": (struct.Struct(">Bi"), lambda places, value: Decimal(value).scaleb(-places)),
    b"T": (struct.Struct(">Q"), _read_time),
    b"V": (struct.Struct(""), lambda: None),
}
_LONG: Mapping[bytes, Callable[[bytes, int, int, int], Any]] = {
    b"S": lambda encoded, start, end, _depth: _decoded(encoded[start:end]),
    b"x": lambda encoded, start, end, _depth: encoded[start:end],
    b"A": _read_array,
    b"F": _read_table,
}
