"""Messages on the wire and the bus's notes in their headers, without a broker."""

import math
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec
from pika.data import decode_table as pika_decode

from cart_platform.bus import Delivery, Failure
from cart_platform.bus.rabbitmq.decoder import Properties, decode_table
from cart_platform.bus.rabbitmq.encoder import Unsendable, encode_table, publish_frames
from cart_platform.bus.rabbitmq.envelope import arrived, dead_letter, given_up, to_replay, to_retry
from cart_platform.events import Message

FRAME_MAX = 131_072
NAMES = st.text(max_size=60)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary().filter(lambda data: not _is_text(data))
    | st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=5)
TABLES = st.dictionaries(NAMES, VALUES, max_size=8)
NOTES = st.sampled_from(
    [
        *("cartscope-attempt", "cartscope-failures", "cartscope-routing-key", "cartscope-replayed", "cartscope-reason"),
        *("cartscope-dead-lettered-at", "cartscope-dead-letter-id", "x-death", "x-delivery-count", "x"),
    ]
)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def read(table: bytes) -> dict[str, Any]:
    """The table as the bus reads it."""
    return decode_table(table, 4, len(table))


@given(TABLES)
def test_tables(table: dict[str, Any]) -> None:
    """What the bus writes into a header table it reads again, of every type and depth."""
    assert table == read(encode_table(table))


@given(st.dictionaries(NAMES, st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none()))
def test_tables_of_pika(table: dict[str, Any]) -> None:
    """A table that pika can read, it reads as the bus does."""
    assert (table, len(encode_table(table))) == pika_decode(encode_table(table), 0)


@given(st.dictionaries(NAMES, st.text()), st.binary(max_size=300), st.none() | NAMES, st.none() | NAMES)
def test_frames(headers: dict[str, Any], body: bytes, content_type: str | None, message_id: str | None) -> None:
    """The frames of a message are those that pika makes of it."""
    properties = spec.BasicProperties(
        content_type=content_type, headers=headers, delivery_mode=2, message_id=message_id
    )
    method = spec.Basic.Publish(exchange="e", routing_key="k", mandatory=True)
    parts = [frame.Method(7, method), frame.Header(7, len(body), properties)]
    size = 64
    parts += [frame.Body(7, body[start : start + size]) for start in range(0, len(body), size)]
    expected = b"".join(part.marshal() for part in parts)
    fits = len(parts[1].marshal()) <= size + 8
    try:
        frames = publish_frames(
            7, size + 8, "e", "k", mandatory=True, headers=headers, body=body,
            content_type=content_type, message_id=message_id,
        )  # fmt: skip
    except Unsendable:
        assert not fits
    else:
        assert expected == frames


@given(
    content_type=st.none() | NAMES,
    message_id=st.none() | NAMES,
    headers=st.dictionaries(NAMES, st.text()),
    more=st.booleans(),
)
def test_properties(*, content_type: str | None, message_id: str | None, headers: dict[str, Any], more: bool) -> None:
    """Of the properties that pika writes, content type, headers and message id are read, whatever stands between."""
    between = {"content_encoding": "gzip", "priority": 3, "correlation_id": "c", "reply_to": "r", "expiration": "9"}
    properties = spec.BasicProperties(
        content_type=content_type, headers=headers, message_id=message_id, **(between if more else {})
    )
    read = Properties(frame.Header(1, 0, properties).marshal()[7:-1])
    assert (content_type, headers, message_id) == (read.content_type, read.headers, read.message_id)


def test_no_properties() -> None:
    """A message without any property has no headers."""
    read = Properties(frame.Header(1, 0, spec.BasicProperties()).marshal()[7:-1])
    assert (None, {}, None) == (read.content_type, read.headers, read.message_id)


class Unknown:
    """A value of no AMQP type."""

    def __str__(self) -> str:
        return "unknown"


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (2**63, "9223372036854775808"),
        (Unknown(), "unknown"),
        ((1, "two"), [1, "two"]),
        (Decimal("3.14"), Decimal("3.14")),
        (Decimal("1e99"), "1E+99"),
        (Decimal("NaN"), "NaN"),
        (datetime(1900, 1, 1, tzinfo=UTC), "1900-01-01 00:00:00+00:00"),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001  a naive time counts as UTC
        ("\ud800", "\\ud800"),
        (math.inf, math.inf),
    ],
)
def test_values_without_a_type(value: Any, carried: Any) -> None:
    """What AMQP has no type for is carried as its text; nothing makes publishing fail."""
    assert {"h": carried} == read(encode_table({"h": value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"T" + struct.pack(">Q", 2**63 - 1), 2**63 - 1),
        (b"f" + struct.pack(">f", math.inf), math.inf),
        (b"S" + struct.pack(">I", 1) + b"\xff", b"\xff"),
        (b"D" + struct.pack(">Bi", 3, -5), Decimal("-0.005")),
        (b"b\xff", -1),
        (b"u\xff\xff", 65_535),
    ],
)
def test_strange_fields(field: bytes, value: Any) -> None:
    """A field that clients of other languages write has a reading."""
    assert {"h": value} == decode_table(b"\x01h" + field, 0, len(field) + 2)


def test_not_a_number() -> None:
    """A header may be no number at all."""
    assert math.isnan(read(encode_table({"h": math.nan}))["h"])


@given(st.binary(max_size=200))
def test_broken_table(data: bytes) -> None:
    """Bytes that are no table are read as far as they go."""
    assert isinstance(decode_table(data, 0, len(data)), dict)


def test_unknown_field_type() -> None:
    """A field of an unknown type ends the table; what came before it is kept."""
    assert {"a": None} == decode_table(b"\x01aV\x01bZ\x01cV", 0, 9)


def delivered(headers: dict[str, Any]) -> Delivery:
    """A message with these headers as it arrives."""
    return arrived("q", "key", Message(b"body", headers), redelivered=False, tag=None)


@given(st.dictionaries(NOTES, VALUES))
def test_hostile_notes(headers: dict[str, Any]) -> None:
    """Whatever a sender writes where the bus notes something, the message can be handled, given up and replayed."""
    delivery = delivered(headers)
    assert delivery.attempt >= 1
    retried = delivered(to_retry(delivery, Failure(1, "now", "broke")).headers)
    assert delivery.attempt + 1 == retried.attempt
    assert "broke" == retried.failures[-1].error
    kept = given_up(retried, "reason", None)
    letter = dead_letter("q", kept, "id")
    assert ("reason", retried.attempt, retried.failures) == (letter.reason, letter.attempts, letter.failures)
    replayed = delivered(to_replay(kept).headers)
    assert (1, (), delivery.routing_key) == (replayed.attempt, replayed.failures, replayed.routing_key)


@given(st.lists(st.builds(Failure, st.integers(1, 99), st.text(), st.text(), st.text()), min_size=1, max_size=20))
def test_history(failures: list[Failure]) -> None:
    """The last sixteen failures travel with the message, in order."""
    delivery = delivered({})
    for failure in failures:
        delivery = delivered(to_retry(delivery, failure).headers)
    assert [failure.attempt for failure in failures[-16:]] == [failure.attempt for failure in delivery.failures]
    assert len(failures) + 1 == delivery.attempt


def test_bounded_history() -> None:
    """However long its errors are, a message's history fits into a frame beside its headers."""
    delivery = delivered({"own": "h" * 50_000})
    for attempt in range(1, 40):
        failure = Failure(attempt, str(timedelta()), "\x00" * 9_999, "\u2028" * 9_999)
        delivery = delivered(to_retry(delivery, failure).headers)
    headers = given_up(delivery, "reason", None).headers
    assert len(encode_table(headers)) < FRAME_MAX - 4_096
    assert "own" in headers
    assert delivery.failures
    assert max(len(failure.traceback) for failure in delivery.failures) <= 2_000
