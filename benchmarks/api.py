"""What a request costs the API: `python benchmarks/api.py [--seconds N]`.

First in this process, in microseconds of processor time for each request, layer by layer; the store answers at once.
Then as requests a second of one server process under wrk, when that is installed, with everything on: log file,
metrics, and spans of which one in ten is sampled.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import uvloop
from fastapi import FastAPI, Header
from fastapi.routing import APIRoute
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from starlette.requests import Request
from starlette.responses import Response

from cart_observability.http_server import HttpServer
from cart_observability.telemetry import Telemetry, silent
from cart_platform.api.app import UNUSED_TELEMETRY, create_app
from cart_platform.api.models import NewItem
from cart_platform.api.routing import CommandRoute
from cart_platform.api.waiters import Waiters
from cart_platform.cart import Command
from cart_platform.events import Event, new_id, now
from cart_platform.native.ports import free_ports
from cart_platform.store import Execution, Origin

PATH = "/carts/cart-42/items"
BODY = b'{"product":"whole_milk","quantity":2}'
HEADERS = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"37")]
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
SCRIPT = f"""
wrk.method = "POST"
wrk.path = "{PATH}"
wrk.body = '{BODY.decode()}'
wrk.headers["Content-Type"] = "application/json"
"""

Application = Callable[[Any, Any, Any], Awaitable[None]]


class ReadyStore:
    """A store that has every event ready."""

    async def execute(self, command: Command, origin: Origin, idempotency_key: str | None = None) -> Execution:  # noqa: ARG002  the store's signature
        """Answers at once."""
        data = {"cart": command.cart, "version": 1, "product": "whole_milk", "quantity": 2}
        return Execution(
            Event(
                id=new_id(),
                source="/cartscope/carts",
                type="cart.item_added",
                time=now(),
                data=data,
                subject=command.cart,
                traceparent=origin.headers.get("traceparent"),
            )
        )

    async def ping(self) -> None:
        """Answers at once."""


class ReadyBus:
    """A bus that is there."""

    system, address, port = "none", None, None

    async def ping(self) -> None:
        """Answers at once."""


class Forgetting(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  the exporter's signature
        """Forgets them."""
        return SpanExportResult.SUCCESS


def whole(telemetry: Telemetry) -> FastAPI:
    """The API as it runs, but for the store."""
    bus: Any = ReadyBus()
    store: Any = ReadyStore()
    return create_app(store=store, bus=bus, handlers=(), telemetry=telemetry, waiters=Waiters(bus, telemetry))


def bare(route: type[APIRoute]) -> FastAPI:
    """FastAPI with one endpoint of the same signature that does nothing."""
    app = FastAPI(telemetry=UNUSED_TELEMETRY)
    app.router.add_api_route("/carts/{cart}/items", add_item, methods=["POST"], route_class_override=route)
    return app


async def add_item(
    cart: str,
    item: NewItem,
    request: Request,
    idempotency_key: Annotated[str | None, Header()] = None,
    prefer: Annotated[str | None, Header()] = None,
) -> Response:
    """Does nothing with all it is given."""
    del cart, item, request, idempotency_key, prefer
    return Response(b'{"id":"019ab1c2"}', 202, {"Location": "/events/019ab1c2"}, "application/json")


async def microseconds(app: Application, requests: int = 4_000, rounds: int = 5) -> float:
    """Processor time of one request to the application, the best of several rounds."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        pass

    async def one_round() -> float:
        started = time.process_time()
        for _ in range(requests):
            await app(scope(), receive, send)
        return (time.process_time() - started) / requests * 1e6

    return min([await one_round() for _ in range(rounds)])


def scope() -> dict[str, Any]:
    """What granian hands over for one request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "server": ("127.0.0.1", "8000"),
        "client": ("127.0.0.1", "50000"),
        "scheme": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": list(HEADERS),
        "root_path": "",
        "state": {},
    }


def telemetry_with_everything(folder: str) -> Telemetry:
    """A log file, metrics, and spans that are batched and then forgotten."""
    os.environ.update(SAMPLED)
    spans = BatchSpanProcessor(Forgetting())
    return Telemetry.start("cartscope-api", log_folder=Path(folder), stdout=False, spans=spans)


async def in_process(folder: str) -> None:
    """Print what each layer costs."""
    everything = telemetry_with_everything(folder)
    layers = {
        "FastAPI's own route": bare(APIRoute),
        "CommandRoute": bare(CommandRoute),
        "the whole API, silent": whole(silent()),
        "the whole API, everything on": whole(everything),
    }
    for name, app in layers.items():
        print(f"{name:32} {await microseconds(app):7.1f} us")
    everything.close()


async def serve(port: int, folder: str) -> None:
    """Serve the whole API until killed."""
    await HttpServer(whole(telemetry_with_everything(folder)), "127.0.0.1", port).serve()


def under_wrk(folder: str, seconds: int) -> None:
    """Print what wrk says of one server process."""
    [port] = free_ports(1)
    script = Path(folder, "post.lua")
    script.write_text(SCRIPT)
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(port), "--folder", folder])
    try:
        time.sleep(3)
        command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"]
        subprocess.run(command, check=True)
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--serve", type=int)
    parser.add_argument("--folder")
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve, options.folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(in_process(folder))
        if shutil.which("wrk"):
            under_wrk(folder, options.seconds)


if __name__ == "__main__":
    main()
