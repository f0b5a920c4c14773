"""The console whole, over HTTP: what it is told by three ways is asked for, what is hostile is refused and counted."""

import asyncio
import gzip
import json
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cart_observability.console.console import Console, Place
from cart_observability.console.extension import Link, Page
from cart_observability.console.file import SignalFile
from cart_observability.console.ingest import SCHEMAS
from cart_observability.console.pace import LEAST_SHARE, OWN_SHARE, SAMPLES, SHARE, WATCHED_SHARE, Pace
from cart_observability.console.pruning import Bounds
from cart_observability.console.traces import otlp, receiving
from cart_observability.console.traces.receiving import MOST_SERVICES, OTHERS, Receipt, Receiver
from cart_observability.http_server import CannotListen
from support.console_running import Asker, Metrics, export, watching
from support.observability import Spans, recording
from support.polling import eventually

EVENT = "0192f0c1-0000-7000-8000-000000000001"
ATTRIBUTES = {
    "messaging.operation.type": "create",
    "messaging.system": "rabbitmq",
    "cloudevents.event_id": EVENT,
    "cloudevents.event_type": "cart.item_added",
    "cloudevents.event_subject": "c1",
}
SOURCE = {"kind", "name", "state", "last", "behind_ms", "received", "dropped", "refused", "detail"}
PROTOBUF = "application/x-protobuf"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Asker]:
    """A console that is told nothing yet."""
    async with watching(tmp_path) as asker:
        yield asker


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """A process with metrics."""
    shown = Metrics()
    yield shown
    shown.close()


def made() -> Spans:
    """The span in which an event comes into being, within a request."""
    telemetry, spans = recording()
    tracer = telemetry.tracer
    with tracer.start_as_current_span("POST /carts/{cart}/items", kind=SpanKind.SERVER):
        tracer.start_span("create cart.item_added", kind=SpanKind.PRODUCER, attributes=ATTRIBUTES).end()
    return spans


async def test_the_page(console: Asker) -> None:
    """The page and its modules come as what they are, and are asked about anew each time."""
    page = await console.get("/")
    assert (200, "text/html; charset=utf-8", "no-cache") == (
        page.status,
        page.headers["Content-Type"],
        page.headers["Cache-Control"],
    )
    module = await console.get("/modules/shell.js")
    assert (200, "text/javascript; charset=utf-8") == (module.status, module.headers["Content-Type"])
    again = await console.get("/modules/shell.js", {"If-None-Match": module.headers["ETag"]})
    assert (304, "") == (again.status, again.text)


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere.js",
        "/api",
        "/api/nowhere",
        "/modules",
        "/modules/../../console.py",
        "/%2e%2e/console.py",
        "/modules/%00.js",
        "/extensions/modules/shop.js",
        "/api/traces/none",
        "/api/traces/%00",
        f"/api/traces/{'f' * 4_000}",
        "/api/events/nowhere",
        "/api/events/%ff%00/..",
        "/api/charts/nowhere",
    ],
)
async def test_what_is_not_there(console: Asker, path: str) -> None:
    """Nothing outside what is meant to be served is served, and the answer says so as a problem."""
    answer = await console.get(path)
    assert (404, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert {"status", "title", "detail"} <= set(answer.json)


async def test_the_overview(console: Asker) -> None:
    """It says what the page is called, what there is to see, where it comes from, and how much is kept."""
    overview = await console.ask("/api/overview")
    assert {"title": "Tested", "pages": [], "links": [], "needs_token": False, "oldest": None} == {
        name: overview[name] for name in ("title", "pages", "links", "needs_token", "oldest")
    }
    assert {"bytes": Bounds().bytes, "age_ms": Bounds().age_seconds * 1e3} == overview["bounds"]
    assert overview["started"] <= overview["now"]
    assert overview["size"] > 0
    assert [("logs", "never"), ("traces", "never")] == [(each["kind"], each["state"]) for each in overview["sources"]]
    assert all(SOURCE == set(source) for source in overview["sources"])


async def test_log_lines(console: Asker) -> None:
    """A line that a service writes is found by its words and fields, counted over time, and told by its fields."""
    await console.log(
        {"message": "a parcel was packed", "parcel.weight": 12}, {"message": "nothing", "log.level": "error"}
    )
    [line] = (await console.ask("/api/lines", q="parcel.weight>10 packed"))["lines"]
    assert ("a parcel was packed", "tested", 12) == (line["message"], line["service"], line["fields"]["parcel.weight"])
    counts = await console.ask("/api/lines/counts", bins=10)
    assert {"info": 1, "error": 1} == {level: sum(bars) for level, bars in counts["levels"].items()}
    fields = await console.ask("/api/lines/fields", q="packed")
    assert {"field": "parcel.weight", "values": [{"value": "12", "count": 1}]}.items() <= next(
        each for each in fields["fields"] if each["field"] == "parcel.weight"
    ).items()
    assert "fresh" == (await console.source("logs"))["state"]


async def test_broken_lines_are_counted(console: Asker) -> None:
    """What is no log line is refused, counted and named; what comes after it is recorded."""
    with (console.logs / "broken.log").open("wb") as file:
        file.write(b'not JSON\n[]\n{"a"\n\xff\xfe\n' + b"[" * 10_000 + b"\n")
    await console.log({"message": "whole"})
    source = await console.source("logs")
    assert (5, True) == (source["refused"], "broken.log" in source["detail"])


async def test_a_search_that_cannot_be_read(console: Asker) -> None:
    """The problem names the character where the search stops making sense."""
    for path in ("/api/lines", "/api/lines/counts", "/api/lines/fields"):
        answer = await console.get(path, q="fine AND (")
        assert (400, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
        assert 0 <= answer.json["position"] <= len("fine AND (")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/lines", {"limit": "many"}),
        ("/api/lines", {"limit": 0}),
        ("/api/lines", {"limit": 1_000_000}),
        ("/api/lines", {"from_": "yesterday"}),
        ("/api/lines", {"from_": "nan"}),
        ("/api/lines", {"to": "inf"}),
        ("/api/lines", {"from_": 2, "to": 1}),
        ("/api/lines", {"from_": -1}),
        ("/api/lines", {"q": "x" * 5_000}),
        ("/api/lines/counts", {"bins": 0}),
        ("/api/events", {"before": "1.5"}),
        ("/api/events", {"after": "9" * 23}),
        ("/api/lines", {"before": str(1 << 63)}),
        ("/api/traces", {"min_ms": "-1"}),
        ("/api/traces", {"errors": "perhaps"}),
        ("/api/charts/throughput", {"points": 1}),
        ("/api/series", {}),
        ("/api/series", {"metric": "m", "where": "novalue"}),
        ("/api/capacity", {"window_s": "0"}),
        ("/api/capacity", {"slots": "threshold"}),
        ("/api/capacity", {"slots": "threshold:0"}),
        ("/api/capacity", {"slots": "threshold:2"}),
    ],
)
async def test_parameters_that_cannot_be_used(console: Asker, path: str, query: Mapping[str, Any]) -> None:
    """A parameter that makes no sense is a problem that says so, never an empty answer."""
    answer = await console.get(path, **query)
    assert (400, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
    assert answer.json["detail"]


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


async def test_metrics(tmp_path: Path, metrics: Metrics) -> None:
    """A process's metrics become charts; one that is named later is scraped too, and one that is silent says why."""
    metrics.text = '# HELP parcels_total Parcels packed.\n# TYPE parcels_total counter\nparcels_total{size="small"} 3\n'
    targets: dict[str, str] = {}
    async with watching(tmp_path, targets) as console:
        assert await console.source("metrics") is None
        targets["parcels"] = metrics.url
        targets["nobody"] = "http://127.0.0.1:9/metrics"

        async def is_scraped() -> bool:
            source = await console.source("metrics", "parcels")
            return bool(source and source["state"] == "fresh")

        await eventually(is_scraped)
        [known] = [each for each in await console.ask("/api/metrics") if each["name"] == "parcels_total"]
        assert {"kind": "counter", "about": "Parcels packed.", "labels": ["size"]}.items() <= known.items()
        drawn = await console.ask(
            "/api/series", metric="parcels_total", statistic="value", by="size", where="size:small"
        )
        assert 3 == drawn["series"][0]["values"][-1]
        assert "small" == drawn["series"][0]["label"]
        charts = {chart["name"]: chart for chart in await console.ask("/api/charts")}
        assert {"name", "title", "unit", "about", "group"} == set(charts["throughput"])
        assert [] == (await console.ask("/api/charts/throughput"))["series"]
        silent = await console.source("metrics", "nobody")
        assert ("never", True) == (silent["state"], "refused" in silent["detail"])


async def test_what_happens_now(console: Asker) -> None:
    """A tick tells of the newest, the map, the figures and the sources, in the same form from the first on."""
    await export(console.otlp, *made().all)
    await console.log({"message": "first"})
    tick = await console.tick()
    assert {"now", "newest", "way", "figures", "sources", "behind_ms"} == set(tick)
    assert tick["newest"]["line"] > 0
    assert tick["newest"]["event"] > 0
    assert {"nodes", "links"} <= set(tick["way"]) == set(await console.ask("/api/way"))
    assert {"arrival_rate", "throughput", "backlog", "oldest_age_s", "errors", "dead_letters", "handlers"} == set(
        tick["figures"]
    )
    assert 0 == tick["behind_ms"]


async def test_marks_and_capacity(console: Asker) -> None:
    """A fault that was logged is marked, and without metrics no handler has a capacity."""
    await console.log(
        {
            "message": "fault",
            "event.action": "fault.injected",
            "cartscope.fault": "slow-handler",
            "log.level": "warning",
        }
    )
    [mark] = await console.ask("/api/marks")
    assert ("fault", "slow-handler", False) == (mark["kind"], mark["text"], mark["ended"])
    assert {} == (await console.ask("/api/capacity"))["handlers"]


class Parcels:
    """An extension."""

    def __init__(self, assets: Path) -> None:
        self.routes: Sequence[BaseRoute] = [
            Route("/api/parcels", self.parcels),
            Route("/api/parcels/pack", self.pack, methods=["POST"]),
            Route("/api/parcels/fail", self.fail),
        ]
        self.pages: Sequence[Page] = (Page("parcels", "Parcels", "/extensions/modules/parcels.js"),)
        self.assets: Path | None = assets
        self.links: Sequence[Link] = (Link("API", "http://127.0.0.1/docs", "to be tried out"),)
        self.closed = 0

    async def parcels(self, _request: Request) -> Response:
        """What there is."""
        return JSONResponse(["p1"])

    async def pack(self, _request: Request) -> Response:
        """Do something."""
        return JSONResponse({"packed": 1})

    async def fail(self, _request: Request) -> Response:
        """Fail."""
        raise ZeroDivisionError("a secret of this extension")

    async def content(self, event_id: str) -> Mapping[str, Any] | None:
        """What is known of an event."""
        return {"parcel": "p1"} if event_id == EVENT else None

    async def close(self) -> None:
        """Count it."""
        self.closed += 1


async def test_extensions(tmp_path: Path) -> None:
    """An extension's questions, actions, pages, files and payloads are there, under the same guard as all others."""
    (tmp_path / "assets" / "modules").mkdir(parents=True)
    (tmp_path / "assets" / "modules" / "parcels.js").write_text("export default {};\n")
    (tmp_path / "assets" / "secret.py").write_text("no asset\n")
    extension = Parcels(tmp_path / "assets")
    async with watching(tmp_path, None, extension) as console:
        overview = await console.ask("/api/overview")
        assert ["parcels"] == [page["id"] for page in overview["pages"]]
        assert ["API"] == [link["title"] for link in overview["links"]]
        assert ["p1"] == await console.ask("/api/parcels")
        assert [200, 403] == [
            (await console.post("/api/parcels/pack", headers)).status
            for headers in ({}, {"Origin": "https://evil.example"})
        ]
        assert [200, 404] == [
            (await console.get(f"/extensions/{path}")).status for path in ("modules/parcels.js", "secret.py")
        ]
        await export(console.otlp, *made().all)
        assert {"parcel": "p1"} == (await console.ask(f"/api/events/{EVENT}"))["content"]
        assert 0 == extension.closed
    assert 1 == extension.closed


async def test_what_fails_tells_no_secret(tmp_path: Path) -> None:
    """An error that nobody expected is a problem that says nothing of its inside."""
    async with watching(tmp_path, None, Parcels(tmp_path)) as console:
        answer = await console.get("/api/parcels/fail")
        assert (500, "application/problem+json") == (answer.status, answer.headers["Content-Type"])
        assert "secret" not in answer.text
        assert ["p1"] == await console.ask("/api/parcels")


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """Started anew on its file, the console knows what it knew, and reads on where it was: nothing is there twice."""
    async with watching(tmp_path) as console:
        await console.log({"message": "before"})
        await export(console.otlp, *made().all)
    with (tmp_path / "logs" / "tested.log").open("a") as file:
        file.write(json.dumps({"@timestamp": "2026-11-26T00:00:00Z", "message": "meanwhile"}) + "\n")
    async with watching(tmp_path) as console:
        await console.log({"message": "after"})
        found = await console.ask("/api/lines", from_=0)
        assert ["after", "before", "meanwhile"] == sorted(line["message"] for line in found["lines"])
        assert EVENT == (await console.ask(f"/api/events/{EVENT}"))["event"]["id"]


async def test_one_console_a_file(tmp_path: Path) -> None:
    """A second console on a file is refused, because everything would be there twice, and the first goes on."""
    async with watching(tmp_path) as console:
        second = Console(tmp_path / "console.db", title="Second", targets=dict)
        with pytest.raises(OSError, match=r"a console keeps .*console\.db already \(process \d+\)"):
            async with second.recording("127.0.0.1", 0):
                pass
        await console.log({"message": "undisturbed"})


async def test_the_file_is_private(tmp_path: Path) -> None:
    """What is kept can be read by its owner alone."""
    async with watching(tmp_path) as console:
        await console.log({"message": "a secret"})
        names = ("console.db", "console.db-shm", "console.db-wal", "console.db.lock")
        assert dict.fromkeys(names, 0o600) == modes(tmp_path)


def modes(folder: Path) -> dict[str, int]:
    """The modes of the files in a folder, by name."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A file that is no console's is named, and left as it is."""
    (tmp_path / "console.db").write_text("a diary, and no database\n" * 100)
    with pytest.raises(OSError, match=r"cannot keep signals in .*console\.db"):
        async with watching(tmp_path):
            pass
    assert "a diary" in (tmp_path / "console.db").read_text()


async def test_a_port_in_use(tmp_path: Path) -> None:
    """A page that cannot be served says so, and nothing of the console is left behind."""
    async with watching(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        (tmp_path / "other").mkdir()
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}"):
            async with watching(tmp_path / "other", place=Place("127.0.0.1", port)):
                pass
    async with watching(tmp_path / "other") as other:
        await other.ask("/api/overview")


async def test_beyond_this_machine(tmp_path: Path) -> None:
    """Who listens beyond loopback gives the page's address with a token, and tells nothing without it."""
    async with watching(tmp_path, place=Place("0.0.0.0", 0)) as console:
        head, _, token = console.address.partition("/#token=")
        assert head.startswith("http://localhost:")
        assert [200, 401] == [(await console.get(path)).status for path in ("/", "/api/overview")]
        answer = await console.get("/api/overview", {"Authorization": f"Bearer {token}"})
        assert (200, True) == (answer.status, answer.json["needs_token"])
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert [200, 401] == [(await console.get("/api/way", {"Cookie": text})).status for text in (cookie, "cookie=1")]


async def test_the_end_comes_soon(tmp_path: Path) -> None:
    """A console that ends keeps nobody waiting, though pages are open and listening."""
    async with aiohttp.ClientSession() as session:
        async with watching(tmp_path) as console:
            streams = [await session.get(f"{console.url}/api/live") for _ in range(5)]
            for stream in streams:
                await stream.content.readuntil(b"\n\n")
            ending = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - ending < 5
        for stream in streams:
            await stream.read()


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


def test_the_pace_of_a_guest() -> None:
    """A console that is a guest in a busy process works little, more while somebody looks on; in its own it hurries."""
    guest, owner = Pace(is_guest=True), Pace(is_guest=False)
    assert [SHARE, OWN_SHARE] == [guest.share, owner.share]
    for pace in (guest, owner):
        pace._late.extend([0.05] * SAMPLES)
    assert [LEAST_SHARE, OWN_SHARE] == [guest.share, owner.share]
    assert 0.2 > owner.rest(1.0)
    assert 1.47 == pytest.approx(guest.rest(0.03))
    guest.is_watched = lambda: True
    assert WATCHED_SHARE == guest.share
    guest._late.extend([0.05] * (SAMPLES // 2 - 1) + [0.001] * (SAMPLES // 2 + 1))
    assert SHARE == guest.share


async def test_a_guest_that_is_watched(tmp_path: Path) -> None:
    """Somebody looks on while a page listens, and nobody does when it is closed."""
    console = Console(tmp_path / "console.db", title="Tested", targets=dict, is_guest=True)
    pace = console._pace
    async with (
        console.recording("127.0.0.1", 0),
        console.serving(Place("127.0.0.1", 0)) as address,
        aiohttp.ClientSession() as session,
    ):
        assert not pace.is_watched()
        async with session.get(f"{address}/api/live") as page:
            await page.content.readuntil(b"\n\n")
            assert pace.is_watched()
        await eventually(lambda: not pace.is_watched())
