"""Spans and metrics of HTTP requests, by the OpenTelemetry HTTP conventions, version 1.44.0: pure ASGI middleware."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Final, Protocol

from opentelemetry import trace
from opentelemetry.semconv.attributes import client_attributes, http_attributes, url_attributes, user_agent_attributes
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from cart_observability.metrics import HTTP_METHODS
from cart_observability.telemetry import Telemetry
from cart_observability.tracing import extract

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMATCHED: Final = "_unmatched"
"""The route of a request that no route took."""
CARRIERS: Final = frozenset({b"traceparent", b"tracestate", b"user-agent"})
SERVER_ERROR: Final = 500


class TakesMiddleware(Protocol):
    """A Starlette or FastAPI application."""

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Wraps the application."""


def instrument(app: TakesMiddleware, telemetry: Telemetry) -> None:
    """Observes every request of a FastAPI or Starlette application; call it last, so that it is outermost."""
    app.add_middleware(HttpTelemetry, telemetry=telemetry)


class HttpTelemetry:
    """A server span and `http_server_request_duration_seconds` for each request.

    The caller's trace context is continued. The route is the template that matched (`/carts/{cart}`), never the path.
    """

    def __init__(self, app: Application, telemetry: Telemetry) -> None:
        self._app = app
        self._metrics = telemetry.metrics
        self._tracer = telemetry.tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is not an HTTP request, and observes what is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = self._start(scope)
        started = perf_counter()
        status = SERVER_ERROR

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with trace.use_span(span, record_exception=True, set_status_on_exception=True):
                await self._app(scope, receive, watch)
        finally:
            self._finish(span, scope, status, perf_counter() - started)

    def _start(self, scope: Scope) -> Span:
        headers = {name.decode("latin-1"): value for name, value in scope["headers"] if name in CARRIERS}
        parent = extract(headers)
        attributes = _attributes(scope, headers) if self._tracer.records(parent) else None
        return self._tracer.child(scope["method"], parent, kind=SpanKind.SERVER, attributes=attributes)

    def _finish(self, span: Span, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], getattr(scope.get("route"), "path", UNMATCHED)
        if span.is_recording():
            _describe(span, method, route, status)
        span.end()
        self._metrics.http_request(method, route, status, seconds, span_context=span.get_span_context())


def _attributes(scope: Scope, headers: dict[str, bytes]) -> dict[str, AttributeValue]:
    method = scope["method"]
    attributes: dict[str, AttributeValue] = {
        http_attributes.HTTP_REQUEST_METHOD: method if method in HTTP_METHODS else "_OTHER",
        url_attributes.URL_PATH: scope["path"],
        url_attributes.URL_SCHEME: scope.get("scheme", "http"),
        NETWORK_PROTOCOL_VERSION: scope.get("http_version", "1.1"),
    }
    if scope.get("query_string"):
        attributes[url_attributes.URL_QUERY] = scope["query_string"].decode("latin-1")
    if scope.get("server"):
        attributes[SERVER_ADDRESS] = scope["server"][0]
        if scope["server"][1] is not None:
            attributes[SERVER_PORT] = scope["server"][1]
    if scope.get("client"):
        attributes[client_attributes.CLIENT_ADDRESS] = scope["client"][0]
    if "user-agent" in headers:
        attributes[user_agent_attributes.USER_AGENT_ORIGINAL] = headers["user-agent"].decode("latin-1")
    return attributes


def _describe(span: Span, method: str, route: str, status: int) -> None:
    known = method if method in HTTP_METHODS else "HTTP"
    if route != UNMATCHED:
        span.set_attribute(http_attributes.HTTP_ROUTE, route)
    span.update_name(known if route == UNMATCHED else f"{known} {route}")
    span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, status)
    if status >= SERVER_ERROR:
        span.set_attribute(ERROR_TYPE, str(status))
        span.set_status(StatusCode.ERROR)
