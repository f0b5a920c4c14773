"""Spans, lines and sightings as the console records them, and a file that it keeps them in."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from cart_observability.console.events import events
from cart_observability.console.records import Line, Link, Span
from cart_observability.console.traces import spans

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"
CHAIN = ("cloudevents.event_id", "cloudevents.event_type", "cloudevents.event_subject")


def span_id(number: int) -> str:
    """An id that a test can name."""
    return f"{number:016x}"


def at(seconds: float) -> int:
    """A time, that many seconds after the first."""
    return T0 + round(seconds * SECOND)


def ms(seconds: float) -> float:
    """The same time, as the HTTP API shows it."""
    return at(seconds) / 1e6


def span(
    number: int,
    parent: int | None = None,
    times: tuple[float, float] = (0, 1),
    *,
    kind: str = "internal",
    service: str = "service",
    name: str = "work",
    error: str | None = None,
    trace: str = TRACE,
    links: Sequence[Link] = (),
    **attributes: Any,
) -> Span:
    """A span; underscores in pairs in names of attributes are dots."""
    return Span(
        trace,
        span_id(number),
        None if parent is None else span_id(parent),
        service,
        name,
        kind,
        at(times[0]),
        at(times[1]),
        error,
        {name.replace("__", "."): value for name, value in attributes.items()},
        links,
    )


def line(seconds: float, action: str | None = None, **fields: Any) -> Line:
    """A log line; underscores in pairs in names of fields are dots."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return Line(at(seconds), "info", "service", action, "something happened", named)


def event(event_id: str, event_type: str = "cart.item_added", subject: str = "c1") -> dict[str, str]:
    """The attributes of a span that names its event."""
    return dict(zip(CHAIN, (event_id, event_type, subject), strict=True))


def told(span: Span, attributes: Mapping[str, Any]) -> Span:
    """A span with more attributes."""
    return span._replace(attributes={**span.attributes, **attributes})


def operation(kind: str, destination: str = "cart.events") -> dict[str, str]:
    """The attributes of what is done with a message."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
    }


def one_event(event_id: str = "e1", trace: str = TRACE) -> list[Span]:
    """An event's whole way: request, create, publish, two handlers, the first of which emits an event in turn.

    That one is called as the first, with `-up` at the end, and is handled by a third handler.
    """

    def made(number: int, parent: int | None, times: tuple[float, float], role: str, name: str, kind: str) -> Span:
        return span(number, parent, times, kind=kind, service=f"cartscope-{role}", name=name, trace=trace)

    api, relay = ("api", "relay")
    up = f"{event_id}-up"
    reached = event(up, "cart.threshold_reached")
    threshold, popularity, mail = ("worker-threshold", "worker-popularity", "worker-notification")
    answer = {**operation("send", "cart.results:threshold.done"), "messaging.message.id": f"{event_id}:threshold"}
    return [
        made(1, None, (0.0, 0.1), api, "POST /carts/{cart}/items", "server"),
        told(
            made(2, 1, (0.01, 0.09), api, "create cart.item_added", "producer"),
            {**operation("create"), **event(event_id)},
        ),
        told(made(3, 2, (0.2, 0.3), relay, "publish cart.events", "client"), {**operation("send"), **_sent(event_id)}),
        told(
            made(4, 2, (0.4, 0.6), threshold, "process cart.threshold", "consumer"), _processed(event_id, "threshold")
        ),
        made(5, 4, (0.45, 0.5), threshold, "commit threshold", "internal"),
        told(made(6, 4, (0.5, 0.55), threshold, "publish cart.results", "client"), answer),
        told(
            made(7, 2, (0.35, 0.4), popularity, "process cart.popularity", "consumer"),
            _processed(event_id, "popularity"),
        ),
        told(
            made(8, 4, (0.7, 0.8), relay, "publish cart.events", "client"),
            {**operation("send"), **_sent(up, "cart.threshold_reached")},
        ),
        told(
            made(9, 4, (0.9, 1.1), mail, "process cart.notification", "consumer"),
            {**_processed(up, "notification"), **reached},
        ),
    ]


def _sent(event_id: str, event_type: str = "cart.item_added") -> dict[str, str]:
    return {
        "messaging.message.id": event_id,
        "cloudevents.event_type": event_type,
        "messaging.rabbitmq.destination.routing_key": event_type,
    }


def _processed(event_id: str, handler: str, attempt: int = 1, outcome: str = "done") -> dict[str, Any]:
    return {
        **operation("process", f"cart.events:cart.item_added:cart.{handler}"),
        **event(event_id),
        "messaging.message.id": event_id,
        "cartscope.handler": handler,
        "cartscope.attempt": attempt,
        "cartscope.outcome": outcome,
    }


@contextmanager
def kept() -> Iterator[sqlite3.Connection]:
    """A connection to a file in memory, with the tables of events and spans."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(events.SCHEMA)
        connection.executescript(spans.SCHEMA)
        yield connection
