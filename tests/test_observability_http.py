"""Spans and metrics of HTTP requests, on a small FastAPI application and on bare ASGI."""

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

from cart_observability.http import HttpTelemetry, Receive, Scope, Send, instrument
from cart_observability.telemetry import Telemetry
from support.observability import (
    SAMPLED,
    SPAN_ID,
    TRACE_ID,
    UNSAMPLED,
    Spans,
    attributes_of,
    exemplars_of,
    parent_of,
    recording,
    sample,
)


class Client:
    """Calls an ASGI application."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def request(self, method: str, path: str, headers: dict[str, str] | None = None, query: str = "") -> int:
        """The status of the answer."""
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.2", 40000),
        }
        await self._app(scope, receive, send)
        (status,) = statuses
        return status


@pytest.fixture
def observed() -> tuple[Client, Telemetry, Spans]:
    """A small application with telemetry that can be read."""
    telemetry, spans = recording()
    app = FastAPI()

    @app.get("/carts/{cart}")
    async def cart(cart: str) -> dict[str, str]:
        telemetry.tracer.start_span("work").end()
        return {"cart": cart}

    @app.get("/busy")
    async def busy() -> None:
        raise HTTPException(503)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("broken")

    instrument(app, telemetry)
    return Client(app), telemetry, spans


def count(registry: CollectorRegistry, method: str, route: str, status: int) -> float | None:
    """Requests of one series."""
    labels = {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}
    return sample(registry, "http_server_request_duration_seconds_count", **labels)


async def test_a_request_is_a_span_of_its_route(observed: tuple[Client, Telemetry, Spans]) -> None:
    """Name, kind and attributes are those of the convention; the route is the template, not the path."""
    client, telemetry, spans = observed
    assert await client.request("GET", "/carts/c-1", {"user-agent": "test"}, query="a=b") == 200
    span = spans.named("GET /carts/{cart}")
    assert SpanKind.SERVER == span.kind
    assert {
        "http.request.method": "GET",
        "http.route": "/carts/{cart}",
        "http.response.status_code": 200,
        "url.path": "/carts/c-1",
        "url.query": "a=b",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "client.address": "127.0.0.2",
        "user_agent.original": "test",
    } == dict(attributes_of(span))
    assert span.context is not None
    assert span.context.span_id == parent_of(spans.named("work"))
    assert count(telemetry.registry, "GET", "/carts/{cart}", 200) == 1
    ids = {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}
    assert [ids] == exemplars_of(telemetry.registry, "http_server_request_duration_seconds_bucket")


async def test_the_trace_of_the_caller_is_continued(observed: tuple[Client, Telemetry, Spans]) -> None:
    """The request's own trace context is the parent."""
    client, _, spans = observed
    await client.request("GET", "/carts/c-1", SAMPLED)
    span = spans.named("GET /carts/{cart}")
    assert span.context is not None
    assert (TRACE_ID, SPAN_ID) == (span.context.trace_id, parent_of(span))


async def test_an_unsampled_request_is_only_counted(observed: tuple[Client, Telemetry, Spans]) -> None:
    """What the caller did not sample makes no span, and no exemplar."""
    client, telemetry, spans = observed
    await client.request("GET", "/carts/c-1", UNSAMPLED)
    assert () == spans.all
    assert count(telemetry.registry, "GET", "/carts/{cart}", 200) == 1
    assert [] == exemplars_of(telemetry.registry, "http_server_request_duration_seconds_bucket")


async def test_paths_without_route_are_one_series(observed: tuple[Client, Telemetry, Spans]) -> None:
    """A scanner's paths do not become labels or span names."""
    client, telemetry, spans = observed
    for number in range(3):
        assert await client.request("GET", f"/admin/{number}") == 404
    assert count(telemetry.registry, "GET", "_unmatched", 404) == 3
    assert {"GET"} == {span.name for span in spans.all}


async def test_an_invented_method_is_no_name(observed: tuple[Client, Telemetry, Spans]) -> None:
    """A method that HTTP does not know names neither a span nor a series."""
    client, _, spans = observed
    assert await client.request("BREW", "/carts/c-1") == 405
    (span,) = spans.all
    assert span.name.split(" ")[0] == "HTTP"
    assert "_OTHER" == attributes_of(span)["http.request.method"]


async def test_a_server_error_is_an_error(observed: tuple[Client, Telemetry, Spans]) -> None:
    """5xx sets the status and `error.type`; 4xx is the client's matter."""
    client, _, spans = observed
    assert await client.request("GET", "/busy") == 503
    await client.request("GET", "/nowhere")
    busy, nowhere = spans.named("GET /busy"), spans.named("GET")
    assert (StatusCode.ERROR, "503") == (busy.status.status_code, attributes_of(busy)["error.type"])
    assert StatusCode.UNSET == nowhere.status.status_code


async def test_an_unhandled_exception_is_seen_and_raised_on(observed: tuple[Client, Telemetry, Spans]) -> None:
    """The span records it, the series counts a 500, the server hears of it, and the context is restored."""
    client, telemetry, spans = observed
    with pytest.raises(ZeroDivisionError):
        await client.request("GET", "/broken")
    span = spans.named("GET /broken")
    assert ["exception"] == [event.name for event in span.events]
    assert StatusCode.ERROR == span.status.status_code
    assert count(telemetry.registry, "GET", "/broken", 500) == 1
    assert not trace.get_current_span().get_span_context().is_valid


async def test_other_protocols_pass_through() -> None:
    """A lifespan or a websocket is none of its business."""
    telemetry, spans = recording()
    passed: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        passed.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return None

    middleware = HttpTelemetry(app, telemetry)
    for kind in ("lifespan", "websocket"):
        await middleware({"type": kind}, nothing, nothing)
    assert ["lifespan", "websocket"] == passed
    assert () == spans.all
