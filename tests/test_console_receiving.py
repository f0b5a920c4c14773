"""Spans come to the console: taken, asked for again, or refused and counted; and nothing grows beyond its bounds."""

import gzip
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cart_observability.console.file import SignalFile
from cart_observability.console.ingest import SCHEMAS
from cart_observability.console.traces import otlp, receiving
from cart_observability.console.traces.receiving import MOST_SERVICES, OTHERS, Receipt, Receiver
from support.console_running import EVENT, Asker, export, made

pytest_plugins = ["support.console_fixtures"]

PROTOBUF = "application/x-protobuf"


async def test_spans_are_there_when_they_are_answered(console: Asker) -> None:
    """Spans that an exporter sent are found at once: as a trace, as an event with its story, and by any id."""
    spans = made()
    await export(console.otlp, *spans.all)
    context = spans.all[0].context
    assert context is not None
    trace_id = f"{context.trace_id:032x}"
    trace = await console.ask(f"/api/traces/{trace_id}")
    assert ["POST /carts/{cart}/items", "create cart.item_added"] == [span["name"] for span in trace["spans"]]
    [found] = (await console.ask("/api/traces"))["traces"]
    assert (trace_id, 2) == (found["trace_id"], found["spans"])
    [event] = (await console.ask("/api/events", type="cart.item_added", subject="c1"))["events"]
    assert (EVENT, trace_id) == (event["id"], event["trace_id"])
    story = await console.ask(f"/api/events/{EVENT}")
    assert {"event", "content", "steps", "follow_ups", "trace", "lines"} == set(story)
    assert ["request", "create"] == [step["kind"] for step in story["steps"]]
    assert f"#/events/{EVENT}" == (await console.ask("/api/find", id=EVENT))["address"]
    assert "none" == (await console.ask("/api/find", id="nowhere"))["kind"]
    source = await console.source("traces", "silent")
    assert ("fresh", 2) == (source["state"], source["received"])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\x00\x01 no protobuf", {"Content_Type": PROTOBUF}, 400),
        (b"{", {"Content_Type": "application/json"}, 400),
        (b"", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Type": "application/json", "Content_Encoding": "br"}, 415),
        (b"no gzip", {"Content_Type": PROTOBUF, "Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"\x00" * 40_000_000), {"Content_Type": PROTOBUF, "Content_Encoding": "gzip"}, 413),
        (b"\x00" * 9_000_000, {"Content_Type": PROTOBUF}, 413),
        (b"", {"Content_Type": PROTOBUF, "Origin": "http://127.0.0.1:4318"}, 403),
        (b"", {"Content_Type": PROTOBUF, "Sec_Fetch_Site": "none"}, 403),
    ],
)
async def test_spans_that_are_none(console: Asker, body: bytes, headers: Mapping[str, str], status: int) -> None:
    """A body that is malformed, too large, or sent by a browser is refused and counted, and nothing else happens."""
    answer = await console.send(body, **headers)
    assert status == answer.status
    source = await console.source("traces")
    assert (1, True) == (source["refused"], "; refused last: " in source["detail"])
    await export(console.otlp, *made().all)
    assert 2 == (await console.source("traces"))["received"]


async def test_where_spans_go_nothing_else_is(console: Asker) -> None:
    """The port for spans serves no page and answers no question."""
    console.url = console.otlp
    assert [404, 404, 405] == [(await console.get(path)).status for path in ("/", "/api/overview", "/v1/traces")]


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[SignalFile]:
    """A file with room for one span, whose writer is held up until the test has ended."""
    go_on = threading.Event()
    file = SignalFile(tmp_path / "stuck.db", SCHEMAS, limit=1)
    file.submit(lambda _: go_on.wait(20))
    yield file
    go_on.set()
    file.close()


async def test_too_much_is_to_come_again(stuck: SignalFile) -> None:
    """Spans that find no room are lost to nobody: they are counted as deferred, and their sender is told until when."""
    receiver = Receiver(stuck)
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span_in_json(), span_in_json("b")]}]}]})
    answer = await taken(receiver, body.encode(), "application/json")
    assert (429, "1") == (answer.status_code, answer.headers["Retry-After"])
    assert (2, 0) == (receiver.deferred, receiver.refused)


async def test_bodies_under_way_are_bounded(stuck: SignalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read at a time has a bound, however many send; what comes beyond it is to come again."""
    monkeypatch.setattr(receiving, "MOST_UNDER_WAY", 100)
    receiver = Receiver(stuck)
    answer = await taken(receiver, b" " * 101, PROTOBUF)
    assert (429, 1, 0) == (answer.status_code, receiver.deferred, receiver._under_way)


async def taken(receiver: Receiver, body: bytes, kind: str) -> Response:
    """The answer to a body."""
    headers = [(b"content-type", kind.encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await receiver.traces(Request(scope, receive))


def span_in_json(digit: str = "a") -> dict[str, Any]:
    """A span as OTLP has it in JSON."""
    times = {"startTimeUnixNano": "1795655000000000000", "endTimeUnixNano": "1795655000000000001"}
    return {"traceId": digit * 32, "spanId": digit * 16, "name": "work", "kind": 1, **times}


def test_services_are_bounded(stuck: SignalFile) -> None:
    """A sender that calls itself something else each time fills no memory: the further names are one."""
    receiver = Receiver(stuck)
    receiver.receipts = {str(number): Receipt() for number in range(MOST_SERVICES)}
    span = otlp.decode(
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span_in_json()]}]}]}).encode(), "application/json"
    ).spans[0]
    receiver._note([span._replace(service=f"another {number}") for number in range(5)])
    assert (MOST_SERVICES + 1, 5) == (len(receiver.receipts), receiver.receipts[OTHERS].received)


async def test_a_full_disk(console: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be kept, spans are deferred, which is told apart from dropped, and come again later."""

    def refuse(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span_in_json()]}]}]}).encode()
    with monkeypatch.context() as patched:
        patched.setattr("cart_observability.console.traces.spans.record", refuse)
        answer = await console.send(body, Content_Type="application/json")
    assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    source = await console.source("traces")
    assert (0, 0, True) == (source["dropped"], source["refused"], source["detail"].endswith("no room: 1"))
    assert 200 == (await console.send(body, Content_Type="application/json")).status
    assert 1 == (await console.source("traces"))["received"]
