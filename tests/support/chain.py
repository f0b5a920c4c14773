"""The chain in one test process: API, relay and a worker for each handler, each with telemetry of its own.

Each role has its own connections, registry, log folder and spans, as it would in a process of its own; only the clock
and the interpreter are shared.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import Metric

from cart_handlers.roles import workers
from cart_observability.telemetry import Telemetry, silent
from cart_platform import roles
from cart_platform.bootstrap import Parts, assemble
from cart_platform.bus import EVENTS_EXCHANGE, Publication
from cart_platform.events import Message
from cart_platform.lifetime import Stop
from cart_platform.process import started
from cart_platform.settings import Settings
from support.observability import Spans, lines_of

HANDLERS = ("threshold", "popularity", "notification")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class Emitted:
    """All that one process has emitted; `kind` is its name in the signal matrix."""

    service: str
    kind: str
    folder: Path
    spans: Spans = field(default_factory=Spans)
    families: list[Metric] = field(default_factory=list)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [line for file in sorted(self.folder.glob("*.log")) for line in lines_of(file)]


@dataclass
class Chain:
    """A running chain, and the parts by which a test looks at it and sends messages of its own."""

    parts: Parts
    api: str
    http: aiohttp.ClientSession
    metrics_url: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body of an answer; underscores in header names become hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, self.api + path, json=body, headers=sent) as answer:
            return answer.status, json.loads(await answer.text() or "null")

    async def add(self, cart: str, product: str, quantity: int = 1, **headers: str) -> tuple[int, Any]:
        """Put units of a product into a cart."""
        return await self.ask("POST", f"/carts/{cart}/items", {"product": product, "quantity": quantity}, **headers)

    async def openmetrics(self) -> str:
        """The API's metrics with their exemplars."""
        async with self.http.get(self.metrics_url, headers={"Accept": OPENMETRICS}) as answer:
            return await answer.text()

    async def publish(self, key: str, message: Message) -> None:
        """Put a message on the way of events, past the store."""
        assert ["confirmed"] == await self.parts.bus.publish([Publication(EVENTS_EXCHANGE, key, message)])

    async def dead_letters(self) -> int:
        """How many messages were given up, over all handlers."""
        return sum([len(await self.parts.bus.dead_letters(handler.queue)) for handler in self.parts.handlers])


async def observed(
    settings: Settings, folder: Path, scenario: Callable[[Chain], Awaitable[None]]
) -> Mapping[str, Emitted]:
    """Run a scenario on a chain of its own, end the chain in order, and give what each process emitted, by service."""
    emitted = {}
    async with AsyncExitStack() as stack:
        for handler in HANDLERS:
            service = f"cartscope-worker-{handler}"
            emitted[service] = Emitted(service, "worker", folder / service)
            await stack.enter_async_context(_running(settings, emitted[service], workers([handler])))
        emitted["cartscope-relay"] = Emitted("cartscope-relay", "relay", folder / "relay")
        await stack.enter_async_context(_running(settings, emitted["cartscope-relay"], roles.relay))
        emitted["cartscope-api"] = Emitted("cartscope-api", "api", folder / "api")
        chain = await stack.enter_async_context(_looked_at(settings, emitted["cartscope-api"]))
        await scenario(chain)
    return emitted


@asynccontextmanager
async def _looked_at(settings: Settings, api: Emitted) -> AsyncIterator[Chain]:
    parts = assemble(settings, silent())
    await parts.start()
    try:
        async with _process(settings, api) as (own, telemetry, _), roles.serving(own, telemetry) as url:
            assert telemetry.metrics_url is not None
            async with aiohttp.ClientSession() as http:
                yield Chain(parts, url, http, telemetry.metrics_url)
    finally:
        await parts.close()


@asynccontextmanager
async def _running(
    settings: Settings, emitted: Emitted, role: Callable[[Parts, Telemetry, Stop], Awaitable[None]]
) -> AsyncIterator[None]:
    async with _process(settings, emitted) as (parts, telemetry, stop):
        task = asyncio.ensure_future(role(parts, telemetry, stop))
        try:
            yield
        finally:
            stop.set()
            await task


@asynccontextmanager
async def _process(settings: Settings, emitted: Emitted) -> AsyncIterator[tuple[Parts, Telemetry, Stop]]:
    """What `cart_platform.process.run` does, without signals and with spans that a test can read."""
    emitted.folder.mkdir(parents=True)
    telemetry = Telemetry.start(
        emitted.service, log_folder=emitted.folder, stdout=False, port=0, spans=emitted.spans.processor
    )
    stop = Stop()
    try:
        async with started(assemble(settings, telemetry), stop) as parts:
            yield parts, telemetry, stop
            emitted.families += telemetry.registry.collect()
    finally:
        telemetry.close()


def names_of_tree(spans: list[ReadableSpan]) -> list[tuple[str, str | None]]:
    """Each span's name with that of its parent, sorted; the parent must be among them."""
    by_id = {span.context.span_id: span.name for span in spans if span.context}
    return sorted(((span.name, by_id[span.parent.span_id] if span.parent else None) for span in spans), key=str)
