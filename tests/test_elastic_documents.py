"""The documents that lines become."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cart_observability.elastic import template
from cart_observability.elastic.documents import Document, plain, structured, unparsed
from cart_observability.log_files import Line

NOW = datetime(2026, 11, 24, 12, 0, 1, 500_000, tzinfo=UTC)
LINE = b'{"@timestamp":"2026-11-24T12:00:00.250Z","message":"event handled","cartscope.attempt":1}'


def line(text: bytes, path: str = "/logs/cartscope-relay.log") -> Line:
    """A line of some file."""
    return Line("some-id", path, text)


def content(document: Document) -> dict[str, Any]:
    """The fields of a document."""
    fields: dict[str, Any] = json.loads(document.source)
    return fields


def test_a_log_line() -> None:
    """A log line keeps all it has, and gets when it came, how long that took and from which file."""
    document = structured(line(LINE), NOW)
    added = {
        "event.ingested": "2026-11-24T12:00:01.500000Z",
        "cartscope.shipping.delay": 1250,
        "log.file.path": "/logs/cartscope-relay.log",
    }
    assert (template.LINES, json.loads(LINE) | added) == (document.stream, content(document))


def test_a_bulk_request() -> None:
    """A document is created under its line's id, so that the same line sent again is refused as known."""
    action, source = structured(line(LINE + b" \r"), NOW).action().splitlines()
    assert {"create": {"_index": template.LINES, "_id": "some-id"}} == json.loads(action)
    assert "event handled" == json.loads(source)["message"]


@pytest.mark.parametrize(
    "text",
    [
        b"Traceback (most recent call last):",
        b'{"@timestamp":"2026-11-24T12:00:00.250Z","message":"cut',
        LINE + LINE,
        b"[1, 2]",
        b'"text"',
        b"null",
        b"{}",
        b'{"message":"no time"}',
        b'{"@timestamp":"yesterday"}',
        b'{"@timestamp":"2026-11-24T12:00:00Z","message":"\xff"}',
    ],
)
def test_no_log_line(text: bytes) -> None:
    """A line that is no object with a time is kept whole, with what is wrong about it, in a stream of its own."""
    document = structured(line(text), NOW)
    fields = content(document)
    assert template.UNPARSED == document.stream
    assert text.decode(errors="replace") == fields["event.original"]
    assert all(fields[name] for name in ("error.type", "error.message", "@timestamp", "log.file.path"))


def test_what_a_server_says() -> None:
    """A server's line is a message under the name of its file."""
    document = plain(line(b"1:M 24 Nov 2026 * Ready to accept connections", "/output/redis.log"), NOW)
    assert template.STACK == document.stream
    assert {
        "@timestamp": "2026-11-24T12:00:01.500000Z",
        "message": "1:M 24 Nov 2026 * Ready to accept connections",
        "service.name": "redis",
        "event.ingested": "2026-11-24T12:00:01.500000Z",
        "cartscope.shipping.delay": 0,
        "log.file.path": "/output/redis.log",
    } == content(document)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"2026-11-23 23:10:49.137577+00:00 [info] <0.223.0> Feature flags", "2026-11-23T23:10:49.137577Z"),
        (b'ts=2026-11-23T23:10:46.000Z caller=main.go:241 level=info msg="Starting"', "2026-11-23T23:10:46Z"),
        (b"ts=2026-11-23T23:10:46.123456789Z level=info", "2026-11-23T23:10:46.123456Z"),
        (b"2026-11-24T01:10:46+02:00 [WARN] [o.e.n.Node] stopping", "2026-11-24T01:10:46+02:00"),
        (b"2026-99-99T01:10:46Z is no time", "2026-11-24T12:00:01.500000Z"),
        (b"x" * 80 + b"2026-11-23T23:10:46Z", "2026-11-24T12:00:01.500000Z"),
    ],
)
def test_the_time_of_a_server(text: bytes, time: str) -> None:
    """A server's line has the time that it begins with, where that is one in ISO 8601 with its zone."""
    assert time == content(plain(line(text), NOW))["@timestamp"]


def test_a_refused_line() -> None:
    """A line that a mapping refused says why, and keeps its id."""
    document = unparsed(line(LINE), NOW, "document_parsing_exception", "failed to parse field")
    fields = content(document)
    assert ("some-id", "cartscope-relay") == (document.line.id, fields["service.name"])
    assert ("document_parsing_exception", "failed to parse field") == (fields["error.type"], fields["error.message"])
    assert LINE.decode() == fields["event.original"]
