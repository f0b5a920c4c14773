"""The document that a line becomes: a log line in its fields, what a server says, or a line that is neither."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from cart_observability.elastic.template import LINES, STACK, UNPARSED
from cart_observability.log_files import Line


@dataclass(frozen=True, slots=True)
class Document:
    """A document for a data stream, and the line that it was made of."""

    stream: str
    source: bytes
    line: Line

    def action(self) -> bytes:
        """Its two lines of a bulk request. `create` leaves alone what is there already under the id."""
        name = _encode({"create": {"_index": self.stream, "_id": self.line.id}})
        return b"%b\n%b\n" % (name, self.source)


class _Stamped(msgspec.Struct):
    time: datetime = msgspec.field(name="@timestamp")


_encode = msgspec.json.Encoder().encode
_stamp = msgspec.json.Decoder(_Stamped).decode

# RabbitMQ, Prometheus, Alertmanager, Elasticsearch, the Collector and Tempo begin their lines with such a time.
_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_TIME_WITHIN: Final = 80


def structured(line: Line, now: datetime) -> Document:
    """A line of JSON in the fields of the Elastic Common Schema; one that is none, or has no time, is unparsed."""
    text = line.text.strip()
    try:
        text.decode()  # What is not looked at in a line is not checked below.
        time = _stamp(text).time
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return unparsed(line, now, type(error).__name__, str(error))
    # Added to the text as it is: encoding all fields anew would cost more than everything else here.
    return Document(LINES, b"%b,%b" % (text[:-1], _encode(_shipped(line, time, now))[1:]), line)


def plain(line: Line, now: datetime) -> Document:
    """A line of a server's own, as a message; its time is that of the shipping where it does not say it in ISO 8601."""
    time = _said_time(line.text) or now
    message = {"@timestamp": time, "message": line.text.decode(errors="replace"), "service.name": _service(line)}
    return Document(STACK, _encode(message | _shipped(line, time, now)), line)


def unparsed(line: Line, now: datetime, kind: str, reason: str) -> Document:
    """A line that is no document of its stream, whole, with what is wrong about it."""
    wrong = {
        "@timestamp": now,
        "log.level": "error",
        "message": "log line not understood",
        "service.name": _service(line),
        "error.type": kind,
        "error.message": reason,
        "event.original": line.text.decode(errors="replace"),
    }
    return Document(UNPARSED, _encode(wrong | _shipped(line, now, now)), line)


def _said_time(text: bytes) -> datetime | None:
    said = _TIME.search(text, 0, _TIME_WITHIN)
    try:
        return datetime.fromisoformat(said[0].decode()) if said else None
    except ValueError:
        return None


def _service(line: Line) -> str:
    return Path(line.path).name.removesuffix(".log")


def _shipped(line: Line, time: datetime, now: datetime) -> dict[str, Any]:
    stamped = time if time.tzinfo else time.replace(tzinfo=UTC)
    delay = round((now - stamped).total_seconds() * 1000)
    return {"event.ingested": now, "cartscope.shipping.delay": delay, "log.file.path": line.path}
