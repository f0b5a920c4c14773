"""Answers as the console's API does, with figures of its own, to the console's own page."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from cart_observability.console.web.guard import Guard, Rules
from cart_observability.console.web.static import ASSETS, Assets
from cart_observability.http_server import HttpServer

HANDLERS = ("notification", "popularity", "<b>threshold</b>")
TRACE = "0af7651916cd43dd8448eb211c80319c"
CHARTS = [
    {"name": "arrival_rate", "title": "Arrival rate", "unit": "per_second", "group": "chain", "about": "What comes."},
    {"name": "process_time", "title": "T_process", "unit": "seconds", "group": "handlers", "about": "What it costs."},
    {"name": "publish_time", "title": "Publishing", "unit": "seconds", "group": "bus", "about": "Never seen."},
]
METRIC = {"name": "parcels_total", "kind": "counter", "about": "Parcels sent.", "labels": ["size"]}
MINUTES = 60_000.0


def now() -> float:
    """Milliseconds since the epoch."""
    return time.time() * 1000


class ConsoleStandIn:
    """A console with three handlers, two charts that have something to show, and one that has not.

    Attributes:
        silent: Whether the relay's metrics have not been heard for 12 s.
        behind_ms: How far the console is behind.
        tick_seconds: Between two ticks.
        uncounted: Of the ten times over which lines are counted, those that are not counted yet; each answer has more.
        asked: The paths and queries that were asked for.
        tokens: What requests showed as their authorisation.
    """

    def __init__(self) -> None:
        self.silent = False
        self.behind_ms = 100.0
        self.tick_seconds = 0.2
        self.uncounted = 0
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.started = now() - 30 * MINUTES
        self._server: HttpServer | None = None
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the page is."""
        assert self._server is not None
        return self._server.url

    async def start(self, port: int = 0) -> None:
        """Serve; on the same port as before where it is given."""
        self._stopping.clear()
        self._server = HttpServer(self._app(), "127.0.0.1", port)
        await self._server.start()

    async def stop(self) -> int:
        """End; returns the port that it had."""
        assert self._server is not None
        self._stopping.set()
        await self._server.stop()
        return self._server.port

    def _app(self) -> Starlette:
        answers: dict[str, Callable[[Request], Any]] = {
            "/api/overview": self._overview,
            "/api/charts": lambda _request: CHARTS,
            "/api/charts/{name}": _chart,
            "/api/series": _chart,
            "/api/metrics": lambda _request: [METRIC],
            "/api/marks": self._marks,
            "/api/capacity": _capacity,
            "/api/find": _find,
            "/api/lines": lambda _request: {"lines": [], "more": False, "before": None},
            "/api/lines/counts": self._counts,
            "/api/lines/fields": lambda _request: {"fields": [], "sampled": 0},
        }
        return Starlette(
            routes=[
                *(Route(path, self._answering(answer)) for path, answer in answers.items()),
                Route("/api/live", self._live),
                Mount("/", Assets(ASSETS)),
            ],
            middleware=[Middleware(Guard, rules=Rules.of("127.0.0.1"))],
        )

    def _answering(self, answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self.asked.append(f"{request.url.path}?{request.url.query}")
            self.tokens.add(request.headers.get("authorization"))
            return JSONResponse(answer(request))

        return endpoint

    def _sources(self) -> list[dict[str, Any]]:
        counts = {"received": 1234, "dropped": 0, "refused": 0, "detail": None}
        late = {"state": "silent", "last": now() - 12_000, "behind_ms": 12_000}
        fresh = {"state": "fresh", "last": now(), "behind_ms": 100}
        return [
            {"kind": "metrics", "name": "relay", **(late if self.silent else fresh), **counts},
            {"kind": "traces", "name": "OTLP", "state": "never", "last": None, "behind_ms": None, **counts},
        ]

    def _overview(self, _request: Request) -> dict[str, Any]:
        return {
            "title": "A console",
            "now": now(),
            "started": self.started,
            "pages": [],
            "sources": self._sources(),
            "bounds": {"bytes": 1e9, "age_ms": 60 * MINUTES},
            "size": 1e6,
            "oldest": self.started,
            "needs_token": False,
            "links": [],
        }

    def _marks(self, _request: Request) -> list[dict[str, Any]]:
        began = {"threshold": self.started + 25 * MINUTES, "popularity": self.started + 25 * MINUTES + 300}
        return [
            {"time": since, "kind": "fault", "text": f"slow-handler {handler}", "ended": False}
            for handler, since in began.items()
        ]

    def _counts(self, request: Request) -> dict[str, Any]:
        start, end = float(request.query_params["from"]), float(request.query_params["to"])
        width = (end - start) / 10
        missing, self.uncounted = self.uncounted, max(0, self.uncounted - 3)
        return {
            "times": [start + width * step for step in range(10)],
            "width_ms": width,
            "levels": {"info": [0] * min(10, missing) + [100] * (10 - missing)},
            "complete": missing == 0,
        }

    async def _live(self, _request: Request) -> Response:
        return StreamingResponse(self._ticks(), media_type="text/event-stream")

    async def _ticks(self) -> AsyncIterator[str]:
        while not self._stopping.is_set():
            yield f"event: tick\ndata: {json.dumps(self._tick())}\n\n"
            await asyncio.wait([asyncio.ensure_future(self._stopping.wait())], timeout=self.tick_seconds)

    def _tick(self) -> dict[str, Any]:
        handler = dict.fromkeys(("rate", "p50", "p95", "p99", "age_p99", "in_flight", "slots", "errors"), 1.0)
        names = ("arrival_rate", "throughput", "backlog", "oldest_age_s", "errors", "dead_letters")
        return {
            "now": now(),
            "newest": {"line": 1, "event": 1},
            "way": {"nodes": [], "links": []},
            "figures": {**dict.fromkeys(names, 1.0), "handlers": dict.fromkeys(HANDLERS, handler)},
            "sources": self._sources(),
            "behind_ms": self.behind_ms,
        }


def _chart(request: Request) -> dict[str, Any]:
    name = request.path_params.get("name", "arrival_rate")
    about = next(chart for chart in CHARTS if chart["name"] == name)
    start, end = float(request.query_params["from"]), float(request.query_params["to"])
    times = [start + (end - start) * step / 100 for step in range(100)]
    labels = {"arrival_rate": ["λ"], "process_time": HANDLERS, "publish_time": ()}[name]
    values = [None if step in range(40, 50) else 0.01 * (step % 7 + 1) for step in range(100)]
    exemplar = {"time": start + (end - start) * 0.75, "value": 0.05, "label": HANDLERS[0], "trace_id": TRACE}
    return {
        **about,
        "times": times,
        "series": [{"label": label, "values": values} for label in labels],
        "exemplars": [exemplar] if name == "process_time" else [],
    }


def _capacity(request: Request) -> dict[str, Any]:
    arrivals = float(request.query_params.get("arrival_rate", 40))
    slots = dict(pair.rsplit(":", 1) for pair in request.query_params.getlist("slots"))
    found = {name: _handler(arrivals, int(slots.get(name, 2))) for name in HANDLERS}
    curve = [{"load": load, "seconds": 0.01 + load / 1e4, "time": now()} for load in range(1, 40)]
    return {"arrival_rate": arrivals, "handlers": found, "curves": dict.fromkeys(HANDLERS, curve)}


def _handler(arrivals: float, slots: int) -> dict[str, Any]:
    seconds = 0.02
    full = slots / seconds
    return {
        "arrival_rate": arrivals,
        "processing_seconds": seconds,
        "slots": slots,
        "backlog": 10,
        "utilisation": arrivals / full,
        "service_rate": full,
        "headroom": 0.8 * full - arrivals,
        "slots_needed": 1,
        "waiting_seconds": None,
        "drain_seconds": 10 / (full - arrivals) if full > arrivals else "Infinity",
        "backlog_in_an_hour": 0,
        "events_measured": 1.5,
        "events_computed": 1.4,
    }


def _find(request: Request) -> dict[str, Any]:
    known = {"e1": "#/events/e1"}
    address = known.get(request.query_params["id"])
    return {"kind": "event" if address else "none", "address": address}
