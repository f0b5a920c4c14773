"""The envelope: CloudEvents 1.0 in binary and structured mode. Pure: no I/O.

Binary mode follows the AMQP protocol binding (`cloudEvents_` headers, `cloudEvents:` accepted), with the content type
as datacontenttype and the data as body. Structured mode (`application/cloudevents+json`) is what the stores keep and
what decode accepts as well. Attributes that this module does not know survive a round trip as `extensions`.
Source: CloudEvents 1.0.2, its JSON event format, AMQP protocol binding and distributed tracing extension.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import uuid_utils

SPECVERSION = "1.0"
MAXIMUM_BYTES = 1_048_576
"""A larger body is refused by `decode`: an event says that something happened, it does not carry files."""

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
PREFIXES = ("cloudEvents_", "cloudEvents:")
PREFIX_LENGTH = 12
TRACE_HEADERS = ("traceparent", "tracestate")


class Malformed(Exception):  # noqa: N818  says what the message is
    """The message is no event that can be read.

    `reason` is one of `too_large`, `not_json`, `missing_attribute`, `wrong_type`, `unsupported_specversion`.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Message(msgspec.Struct, frozen=True):
    """What a bus carries: bytes and headers, readable or not."""

    body: bytes
    headers: dict[str, Any] = {}
    content_type: str | None = None
    message_id: str | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that happened, as a CloudEvents 1.0 event.

    `subject` is the cart's id; `time` when it happened; `data` any JSON value. `causationid` names the event that this
    one follows from, `replyto` the address where somebody waits for the handlers' results.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: Any = None
    subject: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    causationid: str | None = None
    replyto: str | None = None
    extensions: dict[str, Any] = {}

    @property
    def trace_headers(self) -> dict[str, str]:
        """The W3C trace context of the event's creation, as message headers."""
        headers = {"traceparent": self.traceparent, "tracestate": self.tracestate}
        return {name: value for name, value in headers.items() if value}


class _Attributes(msgspec.Struct, forbid_unknown_fields=False):
    """The attributes this module knows, with the types that the specification gives them."""

    specversion: str
    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    causationid: str | None = None
    replyto: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


_KNOWN = frozenset(_Attributes.__struct_fields__) | {"data"}
_OPTIONAL = ("subject", "traceparent", "tracestate", "causationid", "replyto")
_OPTIONAL_HEADERS = tuple((name, name if name in TRACE_HEADERS else PREFIXES[0] + name) for name in _OPTIONAL)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def new_id() -> str:
    """An id for an event: UUID version 7, which sorts by the time it was made (RFC 9562)."""
    return str(uuid_utils.uuid7())


def follow_up_id(event_id: str, handler: str, position: int) -> str:
    """The id of a handler's follow-up event: the same whenever the same event is handled again (UUID version 5)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"cartscope:{event_id}:{handler}:{position}"))


def now() -> datetime:
    """The time of an event that happens at this moment, in UTC."""
    return datetime.now(UTC)


def encode(event: Event) -> Message:
    """The event as a message in binary mode over AMQP; its trace context travels in the W3C headers."""
    headers: dict[str, Any] = {
        "cloudEvents_specversion": SPECVERSION,
        "cloudEvents_id": event.id,
        "cloudEvents_source": event.source,
        "cloudEvents_type": event.type,
        "cloudEvents_time": _timestamp(event.time),
    }
    for name, header in _OPTIONAL_HEADERS:
        value = getattr(event, name)
        if value is not None:
            headers[header] = value
    for name, value in event.extensions.items():
        headers[PREFIXES[0] + name] = value
    return Message(_encoder.encode(event.data), headers, JSON, event.id)


def encode_structured(event: Event) -> bytes:
    """The event as one JSON document (structured mode), as the stores keep it."""
    document: dict[str, Any] = {
        "specversion": SPECVERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": _timestamp(event.time),
        "datacontenttype": JSON,
        "data": event.data,
    }
    for name in _OPTIONAL:
        value = getattr(event, name)
        if value is not None:
            document[name] = value
    document.update(event.extensions)
    return _encoder.encode(document)


def decode(message: Message) -> Event:
    """Read a message in binary or structured mode.

    Raises:
        Malformed: when it is not an event: too large, not JSON, an attribute missing or of a wrong type, another
            specversion than 1.0.
    """
    if len(message.body) > MAXIMUM_BYTES:
        raise Malformed("too_large", f"{len(message.body)} bytes are more than {MAXIMUM_BYTES}")
    if (message.content_type or "").startswith(STRUCTURED):
        return decode_structured(message.body)
    return _event(_attributes(message.headers), _json(message.body) if message.body else None)


def decode_structured(body: bytes) -> Event:
    """Read an event that is one JSON document.

    Raises:
        Malformed: as `decode` does.
    """
    document = _json(body)
    if not isinstance(document, dict):
        raise Malformed("wrong_type", "a structured event is a JSON object")
    return _event(document, document.get("data"))


def _attributes(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudEvents attributes among a message's headers; plain W3C trace headers stand in for the extension's."""
    attributes = {}
    for name, value in headers.items():
        if name.startswith(PREFIXES):
            attributes[name[PREFIX_LENGTH:]] = value if type(value) is str else _text(value)
        elif name in TRACE_HEADERS:
            attributes.setdefault(name, _text(value))
    return attributes


def _text(value: Any) -> Any:
    """AMQP clients may send text as bytes (pika sends `bytes` as a binary field)."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _json(body: bytes) -> Any:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("not_json", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise Malformed("not_json", "the body is nested too deeply") from error


def _event(document: dict[str, Any], data: Any) -> Event:
    known = _known(document)
    extensions = {name: value for name, value in document.items() if name not in _KNOWN}
    if known.dataschema is not None:
        extensions["dataschema"] = known.dataschema
    return Event(
        id=known.id,
        source=known.source,
        type=known.type,
        time=_aware(known.time) if known.time else now(),
        data=data,
        subject=known.subject,
        traceparent=known.traceparent,
        tracestate=known.tracestate,
        causationid=known.causationid,
        replyto=known.replyto,
        extensions=extensions,
    )


def _known(document: dict[str, Any]) -> _Attributes:
    for name in ("id", "source", "type", "specversion"):
        if document.get(name) in (None, ""):
            raise Malformed("missing_attribute", f"the attribute {name} is missing")
    if document["specversion"] != SPECVERSION:
        raise Malformed("unsupported_specversion", f"specversion {document['specversion']!r:.40} is not {SPECVERSION}")
    try:
        return msgspec.convert(document, _Attributes)
    except msgspec.ValidationError as error:
        raise Malformed("wrong_type", str(error)) from error


def _aware(time: datetime) -> datetime:
    """A time without an offset is taken as UTC, so that its age does not depend on where it is read."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
