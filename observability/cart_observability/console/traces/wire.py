"""The wire format of protobuf messages, as far as one message is found in another one.

https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED_64: Final = 1
_BYTES: Final = 2
_FIXED_32: Final = 5
_LONGEST_VARINT: Final = 64
"""Bits."""


class Malformed(ValueError):  # noqa: N818  a property of the bytes
    """Bytes are no such message."""


class Walk:
    """A walk through the messages in some bytes, of so many steps at most, however they are nested.

    Args:
        data: In which the messages are.
        most: Steps: fields that are passed, and what else is counted by `step`.
    """

    def __init__(self, data: bytes, most: int) -> None:
        self.data = data
        self._left = most

    def step(self, count: int = 1) -> None:
        """Count steps.

        Raises:
            Malformed: Those were too many.
        """
        self._left -= count
        if self._left < 0:
            raise Malformed("it has too many parts")

    def parts(self, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Where the fields of a message start and end that have a length (messages, texts), and this number.

        Args:
            start: Of the message.
            end: Of the message.
            wanted: Number of the field.

        Raises:
            Malformed: It is no message, or the steps were too many.
        """
        data, position = self.data, start
        while position < end:
            self.step()
            tag, position = _varint(data, position, end)
            number, kind = tag >> 3, tag & 7
            if not number:
                raise Malformed("a field has no number")
            if kind == _BYTES:
                length, position = _varint(data, position, end)
                stop = position + length
                if number == wanted and stop <= end:
                    yield position, stop
                position = stop
            elif kind == _VARINT:
                _, position = _varint(data, position, end)
            else:
                position += _fixed(kind)
        if position != end:
            raise Malformed("a field is longer than its message")


def _fixed(kind: int) -> int:
    if kind == _FIXED_64:
        return 8
    if kind == _FIXED_32:
        return 4
    raise Malformed("a field is of no known kind")


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < _LONGEST_VARINT:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the bit that says that more follows
            return value, position
        shift += 7
    raise Malformed("a number has no end")
