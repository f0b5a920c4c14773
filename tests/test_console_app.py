"""The console whole, over HTTP: what it is told by three ways is asked for, what is hostile is refused and counted."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cart_observability.console.extension import Link, Page
from cart_observability.console.pruning import Bounds
from support.console_running import EVENT, Asker, Metrics, export, made, watching
from support.polling import eventually

pytest_plugins = ["support.console_fixtures"]

SOURCE = {"kind", "name", "state", "last", "behind_ms", "received", "dropped", "refused", "detail"}


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """A process with metrics."""
    shown = Metrics()
    yield shown
    shown.close()


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
        [series] = drawn["series"]
        # The last step may have just begun.
        assert ("small", {3}) == (series["label"], {value for value in series["values"] if value is not None})
        charts = {chart["name"]: chart for chart in await console.ask("/api/charts")}
        assert {"name", "title", "unit", "about", "group"} == set(charts["throughput"])
        assert [] == (await console.ask("/api/charts/throughput"))["series"]
        silent = await console.source("metrics", "nobody")
        assert (None, True) == (silent["last"], "refused" in silent["detail"])


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
