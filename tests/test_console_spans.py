"""Spans in the console: kept once, given back as traces, and what they tell of causes and of the map."""

import sqlite3
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability.console.events import events
from cart_observability.console.records import Link, Span
from cart_observability.console.traces import span_recording, spans
from cart_observability.console.traces.edges import MOST_EDGES, MOST_POINTS
from support.console_records import (
    TRACE,
    at,
    event,
    kept,
    ms,
    one_event,
    operation,
    span,
    span_id,
    told,
)

OTHER = "b" * 32


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file without spans."""
    with kept() as connection:
        yield connection


def shown(connection: sqlite3.Connection, trace_id: str = TRACE) -> dict[str, Any]:
    """A trace that is there."""
    trace = spans.trace(connection, trace_id)
    assert trace is not None
    return trace


def rows(connection: sqlite3.Connection, trace_id: str = TRACE) -> dict[int, dict[str, Any]]:
    """The rows of a trace, by the numbers of their spans."""
    return {int(row["span_id"], 16): row for row in shown(connection, trace_id)["spans"]}


def waits(connection: sqlite3.Connection) -> dict[int, float | None]:
    """How long the spans of the trace waited, in seconds."""
    return {
        number: None if row["waited_ms"] is None else round(row["waited_ms"] / 1000, 6)
        for number, row in rows(connection).items()
    }


def ids(traces: Sequence[dict[str, Any]]) -> list[str]:
    """The ids of traces."""
    return [trace["trace_id"] for trace in traces]


def seen(connection: sqlite3.Connection) -> set[tuple[str, str, int, int]]:
    """The edges, by the names of the services and what is done with messages at both ends."""
    return {
        (
            f"{edge.source.service} {edge.source.operation or edge.source.kind}" if edge.source else "",
            f"{edge.target.service} {edge.target.operation or edge.target.kind}",
            edge.spans,
            edge.errors,
        )
        for edge in spans.edges(connection)
    }


def everything(batches: Sequence[Sequence[Span]]) -> list[Any]:
    """All that is kept after spans came in batches, but numbers, revisions and the order of what came together."""
    with kept() as connection:
        for batch in batches:
            spans.record(connection, batch)
        traces = connection.execute("SELECT id, start, end, spans, errors, root, name, service FROM traces ORDER BY id")
        found = events.find(connection, limit=1000)["events"]
        return [
            traces.fetchall(),
            [spans.trace(connection, trace_id) for trace_id in (TRACE, OTHER)],
            sorted(spans.edges(connection), key=str),
            sorted(spans.points(connection), key=str),
            sorted(({**each, "revision": 0} for each in found), key=lambda each: str(each["id"])),
        ]


SENT = [*one_event(), *one_event("e2", OTHER)]


@given(st.randoms(use_true_random=False), st.integers(1, 10), st.lists(st.sampled_from(SENT), max_size=5))
def test_order_and_repetition(shuffle: Random, size: int, again: list[Span]) -> None:
    """Spans add up to the same in any order, in any batches, and however often they come."""
    shuffled = [*SENT, *again]
    shuffle.shuffle(shuffled)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    assert everything([SENT]) == everything(batches)


def test_repetition_is_counted_once(connection: sqlite3.Connection) -> None:
    """Spans that are sent again, as a sender does that heard no answer, are not kept again."""
    assert 9 == spans.record(connection, one_event())
    assert 0 == spans.record(connection, one_event())
    assert 0 == spans.record(connection, [])
    assert 9 == len(shown(connection)["spans"])


def test_a_span_is_given_back(connection: sqlite3.Connection) -> None:
    """A trace shows all that a span tells."""
    link = Link(OTHER, span_id(9))
    sent = span(2, 1, (1, 1.5), kind="client", service="api", name="GET", error="no", links=[link], size=7, ok=True)
    spans.record(connection, [sent])
    expected = {
        "span_id": span_id(2),
        "parent_id": span_id(1),
        "service": "api",
        "name": "GET",
        "kind": "client",
        "start": ms(1),
        "duration_ms": 500.0,
        "error": "no",
        "attributes": {"size": 7, "ok": True},
        "links": [{"trace_id": OTHER, "span_id": span_id(9)}],
        "depth": 0,
        "waited_ms": None,
    }
    assert [expected] == shown(connection)["spans"]
    assert [sent._replace(links=[link])] == spans.spans_of(connection, TRACE)


def test_a_trace(connection: sqlite3.Connection) -> None:
    """A trace begins with its first span, lasts until its last, and shows each below its parent."""
    spans.record(connection, one_event())
    trace = shown(connection)
    assert (TRACE, ms(0), 1100.0, 0) == (trace["trace_id"], trace["start"], trace["duration_ms"], trace["left_out"])
    expected = [(1, 0), (2, 1), (3, 2), (7, 2), (4, 2), (5, 3), (6, 3), (8, 3), (9, 3)]
    assert expected == [(int(row["span_id"], 16), row["depth"]) for row in trace["spans"]]


def test_no_trace(connection: sqlite3.Connection) -> None:
    """What is no trace's id, or one of which nothing is kept, leads to nothing."""
    for trace_id in (TRACE, "", "xyz", "ä", "0" * 31):
        assert (None, []) == (spans.trace(connection, trace_id), spans.spans_of(connection, trace_id))
        assert spans.find_span(connection, trace_id) is None


def test_waiting(connection: sqlite3.Connection) -> None:
    """Between what is sent and what processes it lies a time without work; a call within a process has none."""
    spans.record(connection, one_event())
    expected = {1: None, 2: None, 3: 0.11, 4: 0.1, 5: None, 6: None, 7: 0.05, 8: 0.1, 9: 0.1}
    assert expected == waits(connection)


def test_waiting_for_another_attempt(connection: sqlite3.Connection) -> None:
    """A further attempt waited since the end of the one before it, in the same handler."""
    process = next(each for each in one_event() if each.span_id == span_id(4))
    second = process._replace(span_id=span_id(20), start=at(5), end=at(6))
    spans.record(connection, [*one_event(), told(second, {"cartscope.attempt": 2})])
    assert 4.4 == waits(connection)[20]


def test_waiting_behind_a_slow_answer(connection: sqlite3.Connection) -> None:
    """What is processed before the bus has answered its sender did not wait."""
    first, *rest = one_event()
    late = [each._replace(end=at(3)) if each.span_id == span_id(3) else each for each in rest]
    spans.record(connection, [first, *late])
    assert (0.0, 0.0) == (waits(connection)[4], waits(connection)[7])


def test_waiting_of_a_stranger(connection: sqlite3.Connection) -> None:
    """A consumer that only links to what it processes waited since the end of that, where both are in one trace."""
    process = told(span(2, None, (3, 4), kind="consumer", links=[Link(TRACE, span_id(1))]), operation("process"))
    spans.record(connection, [told(span(1, kind="producer"), operation("send")), process])
    assert 2.0 == waits(connection)[2]


PARENTS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7) | st.none(), st.integers(0, 5)), max_size=8)


@given(PARENTS)
def test_any_parents(drawn: list[tuple[int, int | None, int]]) -> None:
    """Every span of a trace is shown once, whatever they say of their parents: circles and strangers included."""
    sent = [span(number + 1, None if parent is None else parent + 1, (start, 6)) for number, parent, start in drawn]
    with kept() as connection:
        for each in sent:
            spans.record(connection, [each])
        shown = [] if not sent else [row["span_id"] for row in rows(connection).values()]
    assert sorted({each.span_id for each in sent}) == sorted(shown)


def test_a_deep_trace(connection: sqlite3.Connection) -> None:
    """A trace may be as deep as it has spans."""
    spans.record(connection, [span(number, number - 1 or None) for number in range(1, 1500)])
    assert 1498 == rows(connection)[1499]["depth"]


def test_a_large_trace(connection: sqlite3.Connection) -> None:
    """Of a trace with very many spans the first ones are shown, and how many are not; each is still kept once."""
    sent = [span(number, 1 if number > 1 else None, (number, number + 1)) for number in range(1, 3001)]
    assert [1500, 1500, 0] == [spans.record(connection, part) for part in (sent[:1500], sent[1500:], sent[700:900])]
    trace = shown(connection)
    assert (2000, 1000) == (len(trace["spans"]), trace["left_out"])
    assert {("", "service internal", 1, 0), ("service internal", "service internal", 2999, 0)} == seen(connection)


def test_causes(connection: sqlite3.Connection) -> None:
    """An event that a handler emits has the event as its cause that was handled."""
    spans.record(connection, one_event())
    assert {"e1": None, "e1-up": "e1"} == {each["id"]: each["cause"] for each in events.find(connection)["events"]}
    assert ["e1-up"] == [each["id"] for each in events.follow_ups(connection, "e1")]


def test_causes_of_a_stranger(connection: sqlite3.Connection) -> None:
    """A message that is made and sent in the processing of another was caused by that, whatever lies between them."""
    sent = [
        told(span(1, None, kind="consumer"), {**operation("process"), "messaging.message.id": "m1"}),
        span(2, 1),
        told(span(3, 2, kind="producer"), operation("create")),
        told(span(4, 3, kind="client"), {**operation("send"), "messaging.message.id": "m2"}),
    ]
    for each in reversed(sent):
        spans.record(connection, [each])
    assert {"m1": None, "m2": "m1"} == {each["id"]: each["cause"] for each in events.find(connection)["events"]}


def test_sent_again(connection: sqlite3.Connection) -> None:
    """An event that is sent back while it is handled, to be tried again, did not cause itself."""
    again = told(span(20, 4, (0.5, 0.55), kind="client"), {**operation("send"), **event("e1")})
    spans.record(connection, [*one_event(), again])
    found = events.get(connection, "e1")
    assert found is not None
    assert found["cause"] is None


CHAIN = {
    ("", "cartscope-api server", 1, 0),
    ("cartscope-api server", "cartscope-api create", 1, 0),
    ("cartscope-api create", "cartscope-relay send", 1, 0),
    ("cartscope-api create", "cartscope-worker-threshold process", 1, 0),
    ("cartscope-api create", "cartscope-worker-popularity process", 1, 0),
    ("cartscope-worker-threshold process", "cartscope-worker-threshold internal", 1, 0),
    ("cartscope-worker-threshold process", "cartscope-worker-threshold send", 1, 0),
    ("cartscope-worker-threshold process", "cartscope-relay send", 1, 0),
    ("cartscope-worker-threshold process", "cartscope-worker-notification process", 1, 0),
}


def test_edges(connection: sqlite3.Connection) -> None:
    """What leads to what is counted once for each pair of spans, as soon as both are there."""
    for each in one_event():
        spans.record(connection, [each])
    spans.record(connection, one_event())
    assert CHAIN == seen(connection)


def test_points(connection: sqlite3.Connection) -> None:
    """A process span stands for its handler and queue, a publish span for where it sends to."""
    spans.record(connection, one_event())
    points = {(point.destination, point.queue, point.handler) for point, *_ in spans.points(connection)}
    assert ("cart.events:cart.item_added:cart.threshold", "cart.threshold", "threshold") in points
    assert ("cart.results:threshold.done", "", "") in points


def test_a_client_of_something_else(connection: sqlite3.Connection) -> None:
    """A call that is not about messages leads to the server that it names, and its failures are counted."""
    call = span(1, kind="client", error="timeout", http__request__method="GET", server__address="shop.example")
    spans.record(connection, [call])
    [edge] = spans.edges(connection)
    assert (None, "http", "shop.example", 1, 1, at(1)) == (
        edge.source,
        edge.target.system,
        edge.target.destination,
        edge.spans,
        edge.errors,
        edge.last,
    )


def test_edges_by_links(connection: sqlite3.Connection) -> None:
    """A consumer without a parent comes from what it links to, in whatever trace that is."""
    made = told(span(1, kind="producer", service="api", trace=OTHER), operation("send"))
    process = told(span(2, kind="consumer", links=[Link(OTHER, span_id(1))]), operation("process"))
    spans.record(connection, [made])
    spans.record(connection, [process])
    assert {("", "api send", 1, 0), ("api send", "service process", 1, 0)} == seen(connection)


def test_edges_of_late(connection: sqlite3.Connection) -> None:
    """Who asks for what was seen since a time is not told of what was only seen before."""
    spans.record(connection, [span(1, None, (0, 1)), span(2, None, (0, 5), service="late", trace=OTHER)])
    assert ["late"] == [edge.target.service for edge in spans.edges(connection, at(2))]
    assert ["late"] == [point.service for point, *_ in spans.points(connection, at(2))]


def test_too_many_points(connection: sqlite3.Connection) -> None:
    """However many services and destinations are made up, what is kept of them is bounded, and lookups go on."""
    for start in range(0, 3 * MOST_EDGES, 500):
        numbers = range(start + 1, start + 501)
        spans.record(connection, [span(number, 1, (0, number), service=f"s{number}") for number in numbers])
    assert MOST_POINTS == len(spans.points(connection))
    assert MOST_EDGES >= len(spans.edges(connection))
    spans.record(connection, [span(1, trace=OTHER), span(2, 1, (0, 10_000), trace=OTHER)])
    assert ("service internal", "service internal", 1, 0) in seen(connection)


def test_list(connection: sqlite3.Connection) -> None:
    """Traces are listed with the name of their root, the one that began last first, and its services."""
    first, *rest = one_event()
    spans.record(connection, rest)
    spans.record(connection, [span(1, None, (5, 6), trace=OTHER, name="other", error="no")])
    spans.record(connection, [first])
    expected = {
        "trace_id": TRACE,
        "name": "POST /carts/{cart}/items",
        "service": "cartscope-api",
        "start": ms(0),
        "duration_ms": 1100.0,
        "spans": 9,
        "error": False,
        "services": [f"cartscope-{role}" for role in ("api", "relay")]
        + [f"cartscope-worker-{handler}" for handler in ("notification", "popularity", "threshold")],
    }
    listed = spans.traces(connection)
    assert ([OTHER, TRACE], expected) == (ids(listed), listed[1])


LISTED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["c", "b", "a"]),
    ({"limit": 2}, ["c", "b"]),
    ({"start": at(10)}, ["c", "b"]),
    ({"end": at(10)}, ["b", "a"]),
    ({"errors": True}, ["b"]),
    ({"shortest": at(2) - at(0)}, ["c", "a"]),
    ({"service": "relay"}, ["c"]),
    ({"service": "relay", "errors": True}, []),
]


@pytest.mark.parametrize(("asked", "expected"), LISTED)
def test_filters(connection: sqlite3.Connection, asked: dict[str, Any], expected: list[str]) -> None:
    """Traces are found by time, failures, duration and services."""
    spans.record(
        connection,
        [
            span(1, None, (0, 5), trace="a" * 32),
            span(1, None, (10, 11), trace="b" * 32, error="no"),
            span(1, None, (20, 21), trace="c" * 32),
            span(2, 1, (23, 24), trace="c" * 32, service="relay"),
        ],
    )
    assert [letter * 32 for letter in expected] == ids(spans.traces(connection, **asked))


def test_find_a_span(connection: sqlite3.Connection) -> None:
    """A span's id leads to its trace."""
    spans.record(connection, [span(1), span(2, trace=OTHER)])
    assert (TRACE, OTHER, None) == tuple(spans.find_span(connection, span_id(number)) for number in (1, 2, 3))


def test_pruning(connection: sqlite3.Connection) -> None:
    """The oldest traces are forgotten whole, at most so many spans at once."""
    spans.record(connection, one_event())
    spans.record(connection, one_event("e2", OTHER))
    assert at(0) == spans.oldest(connection)
    assert 9 == spans.prune(connection, 17)
    assert (None, 9) == (spans.trace(connection, TRACE), len(shown(connection, OTHER)["spans"]))
    assert 9 == spans.prune(connection, 100)
    assert (0, None) == (spans.prune(connection, 100), spans.oldest(connection))


def test_pruning_a_large_trace(connection: sqlite3.Connection) -> None:
    """A trace with more spans than are to be forgotten at once loses some of them, again and again."""
    spans.record(connection, one_event())
    assert [4, 4, 1, 0] == [spans.prune(connection, 4) for _ in range(4)]
    assert [] == spans.traces(connection)


def test_pruning_by_age(connection: sqlite3.Connection) -> None:
    """Traces that ended before a time are forgotten, past those that went on, and so is what the map knew of then."""
    spans.record(connection, [span(1, None, (0, 100), trace="a" * 32, service="lasting")])
    spans.record(connection, [span(1, None, (1, 2), trace="b" * 32)])
    spans.record(connection, [span(1, None, (50, 60), trace="c" * 32, service="lasting")])
    assert 1 == spans.prune_before(connection, at(10), 100)
    assert ["c" * 32, "a" * 32] == ids(spans.traces(connection))
    assert {"lasting"} == {point.service for point, *_ in spans.points(connection)}


def test_a_trace_that_was_forgotten_goes_on(connection: sqlite3.Connection) -> None:
    """Spans of a trace that was forgotten are kept as a trace of their own."""
    sent = one_event()
    spans.record(connection, sent[:5])
    spans.prune(connection, 100)
    assert 4 == spans.record(connection, sent[5:])
    assert {6, 7, 8, 9} == set(rows(connection))


def test_many_large_traces(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the traces of a batch are, only so much is looked at; children still find their parents."""
    monkeypatch.setattr(span_recording, "MOST_LOOKS", 10)
    for each in one_event():
        spans.record(connection, [each, each._replace(trace_id=OTHER)])
    assert {(*edge[:2], 2, 0) for edge in CHAIN} == seen(connection)
