"""A console in this process, with what a test gives it to watch, asked over HTTP as its page asks."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind

from cart_observability.console.console import Console, Place
from cart_observability.console.extension import Extension
from cart_observability.console.pruning import Bounds
from support.observability import Spans, recording
from support.polling import eventually

HERE = Place("127.0.0.1", 0)
EVENT = "0192f0c1-0000-7000-8000-000000000001"
ATTRIBUTES = {
    "messaging.operation.type": "create",
    "messaging.system": "rabbitmq",
    "cloudevents.event_id": EVENT,
    "cloudevents.event_type": "cart.item_added",
    "cloudevents.event_subject": "c1",
}


class Answer(NamedTuple):
    """What somebody who asked was told."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The document."""
        return json.loads(self.text)


class Asker:
    """Asks a console.

    Attributes:
        address: Of the page, as a person is told it.
        otlp: Where spans go.
        targets: What is scraped; a test may change it.
        logs: The folder of log files.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, otlp: str, logs: Path) -> None:
        self._session = session
        self.address = address
        self.url = address.partition("/#")[0]
        self.otlp = otlp
        self.logs = logs

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        """The answer to a question; a parameter's underscore at its end is left out."""
        parameters = {name.removesuffix("_"): value for name, value in query.items()}
        async with self._session.get(self.url + path, params=parameters, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def ask(self, path: str, **query: Any) -> Any:
        """The document at a path, which must be there."""
        answer = await self.get(path, **query)
        assert 200 == answer.status, answer.text
        return answer.json

    async def post(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to an action, asked for as the page does."""
        own = {"Origin": self.url, "X-Cartscope-Console": "1", **(headers or {})}
        async with self._session.post(self.url + path, json={}, headers=own) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, body: bytes, **headers: str) -> Answer:
        """The answer to a body that is sent to where spans go."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self._session.post(f"{self.otlp}/v1/traces", data=BytesIO(body), headers=given) as answer:
            return Answer(answer.status, answer.headers, await answer.text(errors="replace"))

    async def tick(self) -> Any:
        """The next tick of what happens now."""
        async with self._session.get(f"{self.url}/api/live") as stream, asyncio.timeout(20):
            while True:
                event = (await stream.content.readuntil(b"\n\n")).decode()
                if event.startswith("event: tick\ndata: "):
                    return json.loads(event.removeprefix("event: tick\ndata: "))

    async def source(self, kind: str, name: str | None = None) -> Any:
        """What the overview says of the first source of a kind, or of the one of a name; None without any."""
        sources = (await self.ask("/api/overview"))["sources"]
        found = [each for each in sources if each["kind"] == kind and name in (None, each["name"])]
        return found[0] if found else None

    async def log(self, *lines: Mapping[str, Any], service: str = "tested") -> None:
        """Write lines as a service does, and wait until they are recorded."""
        before = (await self.source("logs"))["received"]
        with (self.logs / f"{service}.log").open("ab") as file:
            for line in lines:
                file.write(json.dumps({"@timestamp": now(), "log.level": "info", **line}).encode() + b"\n")

        async def is_recorded() -> bool:
            return bool((await self.source("logs"))["received"] == before + len(lines))

        await eventually(is_recorded)


def now() -> str:
    """The time as a log line has it."""
    return datetime.now(UTC).isoformat()


@asynccontextmanager
async def watching(
    folder: Path,
    targets: Mapping[str, str] | None = None,
    *extensions: Extension,
    place: Place = HERE,
    bounds: Bounds | None = None,
) -> AsyncIterator[Asker]:
    """A console on a folder, whose file and log files are in it."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    given = targets if targets is not None else {}
    console = Console(folder / "console.db", title="Tested", targets=lambda: given, logs=logs, bounds=bounds)
    for extension in extensions:
        console.extend(extension)
    async with (
        console.recording("127.0.0.1", 0) as otlp,
        console.serving(place) as address,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        yield Asker(session, address, otlp, logs)


async def export(url: str, *spans: ReadableSpan) -> None:
    """Send spans as a service does, and return when they were taken."""

    def send() -> SpanExportResult:
        exporter = OTLPSpanExporter(f"{url}/v1/traces")
        try:
            return exporter.export(spans)
        finally:
            exporter.shutdown()  # type: ignore[no-untyped-call]  # of the library

    assert SpanExportResult.SUCCESS is await asyncio.to_thread(send)


class Metrics:
    """A process that shows what a test says as its metrics."""

    def __init__(self) -> None:
        self.text = ""
        shown = self

        class Shows(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Show it."""
                body = shown.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Shows)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/metrics"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def made() -> Spans:
    """The span in which an event comes into being, within a request."""
    telemetry, spans = recording()
    tracer = telemetry.tracer
    with tracer.start_as_current_span("POST /carts/{cart}/items", kind=SpanKind.SERVER):
        tracer.start_span("create cart.item_added", kind=SpanKind.PRODUCER, attributes=ATTRIBUTES).end()
    return spans
