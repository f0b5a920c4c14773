"""What lines and spans tell of events."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from cart_observability.console.events import events
from cart_observability.console.events.events import Filters
from cart_observability.console.logs.decoding import line_of
from cart_observability.console.records import Sighting
from cart_observability.console.traces import otlp, spans
from cart_platform.settings import Settings
from support.chain import Chain, Emitted, observed
from support.console_records import TRACE, at, kept, line, one_event, operation, span, told
from support.polling import eventually
from support.strict_handlers import POISON

LINES = [
    (line(1, "event.accepted"), None),
    (
        line(1, cartscope__event__id="e1", cartscope__event__type="t", cartscope__cart__id="c1", trace__id=TRACE),
        Sighting("e1", at(1), type="t", subject="c1", trace_id=TRACE, is_birth=True),
    ),
    (
        line(1, cartscope__event__id="e1", cartscope__outcome="confirmed"),
        Sighting("e1", at(1), outcome="confirmed"),
    ),
    (
        line(
            1,
            cartscope__event__id="e1",
            cartscope__handler="threshold",
            cartscope__attempt=2,
            cartscope__outcome="retried",
            event__duration=5,
            error__message="no",
        ),
        Sighting("e1", at(1), handler="threshold", outcome="retried", attempt=2, duration=5, error="no"),
    ),
    (
        line(1, cartscope__event__id="e1", cartscope__handler="mail", cartscope__attempt="2", event__duration=-1),
        Sighting("e1", at(1), handler="mail", attempt=1),
    ),
    (line(1, cartscope__event__id=17), None),
    (line(1, cartscope__event__id=""), None),
    (line(1, cartscope__event__id="x" * 1000), None),
    (line(1, cartscope__event__id="\ud800"), None),
    (line(1, cartscope__event__id="a\0b"), None),
]


@pytest.mark.parametrize(("logged", "expected"), LINES)
def test_lines(logged: Any, expected: Sighting | None) -> None:
    """A line that names an event tells of its birth, the bus's answer, or an attempt; a senseless one of nothing."""
    assert expected == events.of_line(logged, "cartscope.cart.id")


def test_spans_of_the_chain() -> None:
    """An event's create, publish and process spans tell of it; a result that is published is no event."""
    parents = {each.span_id: each for each in one_event()}
    found = [events.of_span(each, parents.get(each.parent_id or "")) for each in one_event()]
    told_of = [(each.event_id, each.handler, each.outcome, each.is_birth) if each else None for each in found]
    expected = [
        None,
        ("e1", None, None, True),
        ("e1", None, "confirmed", False),
        ("e1", "threshold", "done", False),
        None,
        None,
        ("e1", "popularity", "done", False),
        ("e1-up", None, "confirmed", False),
        ("e1-up", "notification", "done", False),
    ]
    assert expected == told_of


def test_spans_of_a_stranger() -> None:
    """A service that names its messages by their ids alone is understood, itself being the handler."""
    create = told(span(1, kind="producer"), operation("create", "parcels"))
    named = {"messaging.message.id": "p1", "messaging.rabbitmq.destination.routing_key": "parcel.sent"}
    publish = told(span(2, 1, kind="client"), {**operation("send", "parcels"), **named})
    process = told(span(3, 1, (1, 2), kind="consumer", service="packing"), {**operation("process"), **named})
    sent = Sighting("p1", at(1), type="parcel.sent", trace_id=TRACE, outcome="confirmed")
    packed = Sighting("p1", at(2), "parcel.sent", None, TRACE, None, "packing", "done", 1, at(1) - at(0))
    assert (None, sent, packed) == (events.of_span(create), events.of_span(publish, create), events.of_span(process))


def test_spans_by_older_conventions() -> None:
    """Spans by the messaging conventions before 1.24 are understood."""
    older = {"messaging.system": "kafka", "messaging.message_id": "m1"}
    send = told(span(1, kind="producer"), older | {"messaging.operation": "publish"})
    process = told(span(2, 1, kind="consumer", error="ValueError"), older | {"messaging.consumer.group.name": "g"})
    assert Sighting("m1", at(1), trace_id=TRACE, outcome="confirmed", is_birth=True) == events.of_span(send)
    handling = events.of_span(process)
    assert handling is not None
    assert ("m1", "g", "failed", "ValueError") == (
        handling.event_id,
        handling.handler,
        handling.outcome,
        handling.error,
    )


HOSTILE: list[Any] = [None, True, 0, -1, 1 << 70, 1.5, "", "\0", "\ud800", "x" * 100_000, b"x", [], ["a"], {"a": {}}]


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "messaging.system",
                "messaging.operation.type",
                "messaging.operation",
                "messaging.message.id",
                "messaging.message_id",
                "messaging.rabbitmq.destination.routing_key",
                "messaging.consumer.group.name",
                "cloudevents.event_id",
                "cloudevents.event_type",
                "cloudevents.event_subject",
                "cartscope.event.id",
                "cartscope.event.type",
                "cartscope.cart.id",
                "cartscope.handler",
                "cartscope.attempt",
                "cartscope.outcome",
                "event.duration",
                "error.message",
                "error.type",
                "trace.id",
            ]
        ),
        st.sampled_from([*HOSTILE, "e1", "create", "send", "process", 2]),
    ),
    st.sampled_from(["server", "client", "producer", "consumer", "internal"]),
)
def test_hostile_values(attributes: dict[str, Any], kind: str) -> None:
    """Whatever the values of attributes and fields are, what they tell can be kept."""
    sighted = [
        events.of_span(told(span(1, kind=kind, error="\ud800"), attributes)),
        events.of_line(line(1)._replace(fields=attributes), "cartscope.cart.id"),
    ]
    with kept() as connection:
        events.sight(connection, [each for each in sighted if each])
        assert all(isinstance(event["id"], str) for event in events.find(connection)["events"])


async def scenario(chain: Chain) -> None:
    """One event that leads to another one, and one that a handler gives up."""
    assert 200 == (await chain.add("c1", "milk", 12, Prefer="wait=20"))[0]
    assert 202 == (await chain.add("c2", POISON))[0]
    await eventually(lambda: over(chain))


async def over(chain: Chain) -> bool:
    """Whether everything that was to happen has."""
    totals = await chain.parts.store.totals()
    left = (await chain.parts.store.depth()).pending + sum((await chain.parts.bus.backlog()).values())
    return left == 0 and totals.done.get("notification") == 1 and await chain.dead_letters() == 1


def known(sightings: Sequence[Sighting | None]) -> list[tuple[Any, ...]]:
    """What is known of events after they were told of, the first to be heard of first."""
    with kept() as connection:
        events.sight(connection, [sighting for sighting in sightings if sighting])
        return fates(connection)


def fates(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """What became of each event."""
    return sorted(
        (
            each["type"],
            each["subject"],
            each["answer"],
            each["trace_id"],
            sorted((handling["handler"], handling["outcome"], handling["attempts"]) for handling in each["handlings"]),
        )
        for each in events.find(connection)["events"]
    )


def test_the_chain(tmp_path: Path) -> None:
    """What the chain's own spans tell of its events is what its log lines tell, and the cause of one beside that."""
    settings = Settings(
        store_url=f"sqlite:///{tmp_path / 'store.db'}",
        bus_url=f"sqlite:///{tmp_path / 'bus.db'}",
        mail_url=f"maildir:///{tmp_path / 'mail'}",
        handlers="support.strict_handlers:handlers",
        api_port=0,
    )
    emitted = asyncio.run(observed(settings, tmp_path, scenario)).values()
    with kept() as connection:
        is_told_alike(connection, emitted)


def is_told_alike(connection: sqlite3.Connection, emitted: Iterable[Emitted]) -> None:
    """Hold what the spans of processes tell against what their lines tell."""
    for process in emitted:
        body = bytes(encode_spans(process.spans.all).SerializeToString())
        assert len(process.spans.all) == spans.record(connection, otlp.decode(body, otlp.PROTOBUF).spans)
    lines = [line_of(json.dumps(line).encode(), process.service) for process in emitted for line in process.lines]
    assert known([events.of_line(line, "cartscope.cart.id") for line in lines]) == fates(connection)
    causes = {each["type"]: each["cause"] for each in events.find(connection)["events"] if each["subject"] == "c1"}
    first = events.find(connection, Filters(type="cart.item_added", subject="c1"))["events"][0]
    assert {"cart.item_added": None, "cart.threshold_reached": first["id"]} == causes
