"""The console: records what processes show of themselves into one file, and serves it as one page.

It shares its event loop with whatever else the process does: all that costs runs on threads.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cart_observability.console.charts.figures import figures
from cart_observability.console.events import events
from cart_observability.console.extension import Extension
from cart_observability.console.file import WRITER_CACHE_KIBIBYTES, SignalFile
from cart_observability.console.holding import held
from cart_observability.console.ingest import SCHEMAS, Ingest, Targets
from cart_observability.console.logs import lines
from cart_observability.console.map.way import Way
from cart_observability.console.metrics import samples
from cart_observability.console.metrics.tiers import MILLISECOND
from cart_observability.console.pace import Pace
from cart_observability.console.pruning import Bounds
from cart_observability.console.traces import spans
from cart_observability.console.web.answers import Desk, json
from cart_observability.console.web.app import create_app
from cart_observability.console.web.chart_answers import ChartAnswers
from cart_observability.console.web.event_answers import EventAnswers
from cart_observability.console.web.guard import ANYWHERE, Rules
from cart_observability.console.web.line_answers import LineAnswers
from cart_observability.console.web.live import Live
from cart_observability.console.web.static import Assets
from cart_observability.http_server import HttpServer

GUEST_CACHE_KIBIBYTES: Final = 2_048


class Place(NamedTuple):
    """Where the page is served.

    Attributes:
        host: The address that it listens on.
        port: 0 for any free one.
        names: Further ones that it goes by.
        token: To use beyond loopback; a fresh one where None is given.
        is_published_on_loopback: Whether only loopback leads to it, though it listens on more (in a container).
    """

    host: str
    port: int
    names: tuple[str, ...] = ()
    token: str | None = None
    is_published_on_loopback: bool = False


class Console:
    """A console on one file.

    Args:
        path: Of the file; made if absent. Its folder must be there.
        title: Of the page.
        targets: What is scraped.
        logs: The folder whose log files are followed; None for none.
        bounds: How much is kept.
        subject_field: The log field that names what events are about, beside `cloudevents.event_subject` of spans.
        is_guest: Whether the process is there for something else, which is to notice little of the console.
    """

    def __init__(
        self,
        path: Path,
        *,
        title: str,
        targets: Targets,
        logs: Path | None = None,
        bounds: Bounds | None = None,
        subject_field: str | None = None,
        is_guest: bool = False,
    ) -> None:
        self.path = path
        self._title = title
        self._targets = targets
        self._logs = logs
        self._bounds = bounds or Bounds()
        self._subject_field = subject_field
        self._pace = Pace(is_guest=is_guest)
        self._cache = GUEST_CACHE_KIBIBYTES if is_guest else WRITER_CACHE_KIBIBYTES
        self._extensions: list[Extension] = []
        self._started = time.time_ns()
        self._way = Way()
        self._file: SignalFile
        self._ingest: Ingest

    def extend(self, extension: Extension) -> None:
        """Add to what `serving` serves; the console closes it."""
        self._extensions.append(extension)

    @asynccontextmanager
    async def recording(self, host: str, otlp_port: int) -> AsyncIterator[str]:
        """Record for as long as the block lasts; gives the address for spans (OTLP over HTTP).

        Raises:
            CannotListen: nothing can listen there.
            OSError: the file cannot be used, or another console uses it.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(held(self.path))
            self._file = await asyncio.to_thread(SignalFile, self.path, SCHEMAS, cache=self._cache)
            stack.push_async_callback(asyncio.to_thread, self._file.close)
            self._ingest = Ingest(self._file, self._targets, self._logs, self._subject_field, self._bounds, self._pace)
            yield await stack.enter_async_context(self._ingest.running(host, otlp_port))

    @asynccontextmanager
    async def serving(self, place: Place) -> AsyncIterator[str]:
        """Serve the page, within `recording`, for as long as the block lasts; gives its address, token and all.

        Raises:
            CannotListen: nothing can listen there.
        """
        rules = Rules.of(place.host, place.names, place.token, is_published_on_loopback=place.is_published_on_loopback)
        async with AsyncExitStack() as stack:
            for extension in self._extensions:
                stack.push_async_callback(extension.close)
            desk = Desk(self._file)
            stack.push_async_callback(asyncio.to_thread, desk.close)
            live = Live(lambda: desk.read(self._tick))
            self._pace.is_watched = lambda: live.listeners > 0
            assets = Assets(*(extension.assets for extension in self._extensions if extension.assets))
            server = HttpServer(create_app(self._routes(desk, rules), live, rules, assets), place.host, place.port)
            await server.start()
            stack.push_async_callback(server.stop)
            # Before the server, which would wait for the streams to end.
            stack.push_async_callback(live.close)
            yield _address(server, place, rules)

    def _routes(self, desk: Desk, rules: Rules) -> Sequence[BaseRoute]:
        async def overview(_request: Request) -> Response:
            return json({**await desk.ask(self._overview), "needs_token": rules.token is not None})

        async def way(_request: Request) -> Response:
            return json(await desk.ask(self._drawn))

        return [
            Route("/api/overview", overview),
            Route("/api/way", way),
            *LineAnswers(desk).routes(),
            *EventAnswers(desk, self._content).routes(),
            *ChartAnswers(desk).routes(),
            *(route for extension in self._extensions for route in extension.routes),
        ]

    def _overview(self, connection: sqlite3.Connection) -> dict[str, Any]:
        now = time.time_ns()
        kept = [oldest(connection) for oldest in (lines.oldest, spans.oldest, samples.oldest, events.oldest)]
        oldest = min((time for time in kept if time is not None), default=None)
        return {
            "title": self._title,
            "now": now / MILLISECOND,
            "started": self._started / MILLISECOND,
            "pages": [page._asdict() for extension in self._extensions for page in extension.pages],
            "links": [link._asdict() for extension in self._extensions for link in extension.links],
            "sources": self._ingest.sources(now),
            "bounds": {"bytes": self._bounds.bytes, "age_ms": self._bounds.age_seconds * 1e3},
            "size": self._file.size,
            "oldest": None if oldest is None else oldest / MILLISECOND,
        }

    def _tick(self, connection: sqlite3.Connection) -> Mapping[str, Any]:
        now = time.time_ns()
        with lines.snapshot(connection):
            return {
                "now": now / MILLISECOND,
                "newest": {"line": lines.newest(connection), "event": events.newest(connection)},
                "way": self._drawn(connection),
                "figures": figures(connection, now),
                "sources": self._ingest.sources(now),
                "behind_ms": self._ingest.behind / MILLISECOND,
            }

    def _drawn(self, connection: sqlite3.Connection) -> dict[str, Any]:
        return self._way.drawn(connection, time.time_ns())

    async def _content(self, event_id: str) -> Mapping[str, Any] | None:
        for extension in self._extensions:
            if (content := await extension.content(event_id)) is not None:
                return content
        return None


def _address(server: HttpServer, place: Place, rules: Rules) -> str:
    """Where a person finds the page: on this machine, where it listens everywhere."""
    host = "localhost" if place.host in ANYWHERE else server.host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{server.port}" + (f"/#token={rules.token}" if rules.token else "")
