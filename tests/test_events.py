"""The envelope."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_platform.events import (
    MAXIMUM_BYTES,
    STRUCTURED,
    Event,
    Malformed,
    Message,
    decode,
    decode_structured,
    encode,
    encode_structured,
    follow_up_id,
    new_id,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=10,
)
EARLIEST = datetime(1970, 1, 2)  # noqa: DTZ001  hypothesis adds the zone
LATEST = datetime(2200, 1, 1)  # noqa: DTZ001  hypothesis adds the zone
EXTENSION_NAMES = st.from_regex(r"x[a-z0-9]{1,18}", fullmatch=True)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    time=st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)),
    data=JSON_VALUES,
    subject=st.none() | TEXT,
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    tracestate=st.none() | st.just("vendor=1"),
    causationid=st.none() | TEXT,
    replyto=st.none() | TEXT,
    extensions=st.dictionaries(EXTENSION_NAMES, TEXT, max_size=3),
)


def binary(**changes: Any) -> Message:
    """A good message in binary mode, with some headers changed; None leaves one out."""
    headers = {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": "1",
        "cloudEvents_source": "/test",
        "cloudEvents_type": "test.happened",
        **{f"cloudEvents_{name}": value for name, value in changes.items()},
    }
    return Message(b"{}", {name: value for name, value in headers.items() if value is not None}, "application/json")


@given(EVENTS)
def test_binary_mode_round_trip(event: Event) -> None:
    """Decoding what was encoded in binary mode gives the event again."""
    assert event == decode(encode(event))


@given(EVENTS)
def test_structured_mode_round_trip(event: Event) -> None:
    """Decoding what was encoded in structured mode gives the event again, read as a message too."""
    body = encode_structured(event)
    assert event == decode_structured(body)
    assert event == decode(Message(body, {}, STRUCTURED + "; charset=utf-8"))


@given(st.binary(max_size=200), st.dictionaries(TEXT, st.none() | st.integers() | st.binary(max_size=9) | TEXT))
def test_whatever_arrives_is_read_or_malformed(body: bytes, headers: dict[str, Any]) -> None:
    """Any bytes and headers are an event or Malformed, and never another error."""
    for content_type in (None, "application/json", STRUCTURED):
        with suppress(Malformed):
            decode(Message(body, headers, content_type))


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:"])
def test_both_header_prefixes_are_read(prefix: str) -> None:
    """The preferred AMQP prefix and the colon are both understood."""
    headers = {
        prefix + name: value for name, value in {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}.items()
    }
    assert decode(Message(b"1", headers)).id == "1"


def test_text_headers_may_come_as_bytes() -> None:
    """Attributes that an AMQP client sent as bytes are read as text."""
    assert decode(binary(subject=b"cart-1")).subject == "cart-1"


def test_trace_context_comes_from_the_w3c_headers_too() -> None:
    """A message with plain trace headers and no tracing extension carries its trace."""
    message = binary()
    message.headers["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert decode(message).traceparent == message.headers["traceparent"]


def test_an_unknown_type_is_an_event() -> None:
    """An event of a type that nobody knows is read like any other."""
    assert decode(binary(type="somebody.elses")).type == "somebody.elses"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(b"{", binary().headers), "not_json"),
        (Message(b"\xff\xfe", binary().headers), "not_json"),
        (Message(b"[" * 100_000, binary().headers), "not_json"),
        (Message(b" " * (MAXIMUM_BYTES + 1), binary().headers), "too_large"),
        (Message(b"[]", {}, STRUCTURED), "wrong_type"),
        (Message(b"{}", {}), "missing_attribute"),
        (binary(id=None), "missing_attribute"),
        (binary(id=""), "missing_attribute"),
        (binary(id=7), "wrong_type"),
        (binary(id=b"\xff"), "wrong_type"),
        (binary(time="yesterday"), "wrong_type"),
        (binary(subject=["a"]), "wrong_type"),
        (binary(specversion="2.0"), "unsupported_specversion"),
        (binary(specversion=["1.0"]), "unsupported_specversion"),
    ],
)
def test_malformed_messages_name_their_reason(message: Message, reason: str) -> None:
    """What is no event is refused with a reason from a fixed set."""
    with pytest.raises(Malformed) as malformed:
        decode(message)
    assert reason == malformed.value.reason


def test_a_time_without_offset_is_utc() -> None:
    """An event's time without an offset does not depend on where it is read."""
    assert decode(binary(time="2026-01-01T00:00:00")).time == datetime(2026, 1, 1, tzinfo=UTC)


def test_structured_json_is_a_cloudevent() -> None:
    """The structured form has the attributes under the names of the specification."""
    event = Event("1", "/test", "test.happened", datetime(2026, 1, 1, tzinfo=UTC), {"a": 1}, subject="s")
    assert json.loads(encode_structured(event)) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": "test.happened",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"a": 1},
        "subject": "s",
    }


def test_ids_sort_by_time() -> None:
    """Later ids sort behind earlier ones."""
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)


def test_a_follow_up_has_the_same_id_each_time() -> None:
    """A handler that handles an event again emits the same ids, and other handlers emit others."""
    assert follow_up_id("1", "threshold", 0) == follow_up_id("1", "threshold", 0)
    assert (
        len({follow_up_id("1", "threshold", 0), follow_up_id("1", "threshold", 1), follow_up_id("1", "other", 0)}) == 3
    )
