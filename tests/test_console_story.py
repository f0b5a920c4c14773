"""The story of one event: its steps from spans and lines, its follow-ups, its trace; and where an id leads."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability.console.events.step import Step
from cart_observability.console.events.steps import own_spans, steps
from cart_observability.console.events.story import MOST_LINES, find, story
from cart_observability.console.logs import lines
from cart_observability.console.records import Line
from cart_observability.console.traces import spans
from support.console_records import operation, span
from support.observed_runs import SUBJECT_FIELD, Observed, console_file, observed, record

ADDED = "01a21541-37bc-7598-a4c1-87b0a7295a06"
REACHED = "cd087430-0e86-5fdc-8306-8d653f64278c"
TWICE = "01a21540-cfd6-7000-931c-b9db8fd91024"
REACHED_TWICE = "c6b2edea-9147-58db-94e0-f9f577fb52e6"
GIVEN_UP = "01a21551-1dc5-72f2-88c7-d9c730e136ec"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file with nothing in it."""
    with console_file() as connection:
        yield connection


@pytest.fixture
def carts() -> Observed:
    """Two carts that reached the threshold; of one, everything was delivered twice."""
    return observed("carts")


def told(connection: sqlite3.Connection, event_id: str) -> dict[str, Any]:
    """The story of an event that is known."""
    found = story(connection, event_id)
    assert found is not None
    return found


def kinds(found: dict[str, Any], *more: str) -> list[Any]:
    """The kinds of the steps in order, with more of each."""
    return [(step["kind"], *(step[name] for name in more)) if more else step["kind"] for step in found["steps"]]


def test_whole_way(connection: sqlite3.Connection, carts: Observed) -> None:
    """An event's story goes from the request to the result of each handler, in order of time."""
    record(connection, carts)
    found = told(connection, ADDED)
    assert [
        ("request", "cartscope-api", None, "202"),
        ("create", "cartscope-api", None, None),
        ("publish", "cartscope-relay", None, "confirmed"),
        ("attempt", "cartscope-worker-popularity", "popularity", "done"),
        ("commit", "cartscope-worker-popularity", "popularity", None),
        ("attempt", "cartscope-worker-threshold", "threshold", "done"),
        ("commit", "cartscope-worker-threshold", "threshold", None),
        ("result", "cartscope-worker-popularity", "popularity", None),
        ("result", "cartscope-worker-threshold", "threshold", None),
    ] == kinds(found, "service", "handler", "outcome")
    assert all(one["time"] <= other["time"] for one, other in pairwise(found["steps"]))


def test_causes_before_effects(carts: Observed) -> None:
    """A cause is told before its effect, whatever the clocks of those who tell of them say."""
    [relay, *others] = {span.service: span for span in carts.spans if span.service == "cartscope-relay"}.values()
    assert not others
    told = [line for line in carts.lines if line.fields["cartscope.event.id"] == ADDED]
    for wrong in (-(10**9), 10**9):
        shown = [
            span._replace(start=span.start + wrong, end=span.end + wrong) if span.service == relay.service else span
            for span in carts.spans
        ]
        said = [line._replace(time=line.time + wrong) if line.service == relay.service else line for line in told]
        for found in (steps(ADDED, shown, said), steps(ADDED, [], said)):
            ways = [step.kind for step in found if step.kind in {"request", "create", "publish", "attempt"}]
            assert ["create", "publish", "attempt", "attempt"] == [kind for kind in ways if kind != "request"]
            assert "request" not in ways[1:]


def test_an_event_that_was_published_at_once(carts: Observed) -> None:
    """What a handler emits was emitted before it was published, though its handler heard later that it is committed."""
    [sent] = [
        span for span in carts.spans if span.attributes.get("messaging.message.id") == REACHED and span.kind == "client"
    ][:1]
    [commit, *_] = [span for span in carts.spans if span.parent_id == sent.parent_id and span.name.startswith("commit")]
    early = sent._replace(start=commit.end - 400_000)
    shown = [early if span is sent else span for span in carts.spans]
    [emitted, published, *_] = steps(REACHED, shown, [])
    assert ("create", "publish", early.start) == (emitted.kind, published.kind, emitted.time)


def test_waiting(connection: sqlite3.Connection, carts: Observed) -> None:
    """What waits in the outbox and in a queue is told apart from work."""
    record(connection, carts)
    waits = [(step["kind"], round(step["waited_ms"])) for step in told(connection, ADDED)["steps"] if step["waited_ms"]]
    # Popularity took it up before the relay heard the broker's answer, threshold after it.
    assert [("publish", 4), ("attempt", 3)] == waits


def test_follow_up(connection: sqlite3.Connection, carts: Observed) -> None:
    """An event that a handler emits is a follow-up of its cause, and its own story begins with that handler."""
    record(connection, carts)
    assert [(REACHED, ADDED)] == [(event["id"], event["cause"]) for event in told(connection, ADDED)["follow_ups"]]
    found = told(connection, REACHED)
    assert ADDED == found["event"]["cause"]
    assert ("create", "emitted by threshold", "cartscope-worker-threshold") == kinds(found, "title", "service")[0]
    assert ["create", "publish", "attempt", "sent", "commit", "result"] == kinds(found)


def test_lines_alone(connection: sqlite3.Connection, carts: Observed) -> None:
    """A trace that was not sampled is told by its lines, from the birth to each handler and to the e-mail."""
    record(connection, carts._replace(spans=[]))
    found = told(connection, ADDED)
    assert [
        ("create", None, None),
        ("publish", None, "confirmed"),
        ("attempt", "popularity", "done"),
        ("attempt", "threshold", "done"),
    ] == kinds(found, "handler", "outcome")
    assert found["trace"] is None
    assert ["publish", "attempt", "sent"] == kinds(told(connection, REACHED))


def test_follow_ups_by_lines(connection: sqlite3.Connection, carts: Observed) -> None:
    """Without spans, what was not born in a trace with one birth is taken for its follow-up."""
    record(connection, carts._replace(spans=[]))
    assert [(REACHED, ADDED)] == [(event["id"], event["cause"]) for event in told(connection, ADDED)["follow_ups"]]
    assert [] == told(connection, REACHED)["follow_ups"]


def test_nothing_twice(connection: sqlite3.Connection, carts: Observed) -> None:
    """What both spans and lines tell of is one step, however the two arrive."""
    lines.record(connection, carts.lines, SUBJECT_FIELD)
    spans.record(connection, carts.spans)
    found = told(connection, REACHED_TWICE)
    assert [
        ("create", None),
        ("publish", "confirmed"),
        ("attempt", "done"),
        ("attempt", "retried"),
        ("retried", None),
        ("sent", None),
        ("commit", None),
        ("result", None),
        ("attempt", "duplicate"),
        ("result", None),
    ] == kinds(found, "outcome")
    # 30 s, as the retry's delay was, from the retry to the next attempt.
    assert 30_002 == round(found["steps"][-2]["waited_ms"])


def test_late_spans(connection: sqlite3.Connection, carts: Observed) -> None:
    """As long as a span is on its way its line stands for it, and its place is taken when the span comes."""
    late = [span for span in carts.spans if span.name == "process cart.threshold"]
    record(connection, carts._replace(spans=[span for span in carts.spans if span not in late]))
    before = [(step["kind"], step["handler"]) for step in told(connection, ADDED)["steps"]]
    spans.record(connection, late)
    after = [(step["kind"], step["handler"]) for step in told(connection, ADDED)["steps"]]
    assert 1 == before.count(("attempt", "threshold")) == after.count(("attempt", "threshold"))
    assert ("commit", "threshold") not in before
    assert ("commit", "threshold") in after


def test_given_up(connection: sqlite3.Connection) -> None:
    """Each attempt has its error, each retry its wait, and the last one ends as a dead letter."""
    record(connection, observed("dead_letter"))
    mine = [step for step in told(connection, GIVEN_UP)["steps"] if step["handler"] == "threshold"]
    assert ["attempt", "retried", "attempt", "retried", "attempt", "result", "dead_lettered"] == [
        step["kind"] for step in mine
    ]
    attempts = [step for step in mine if step["kind"] == "attempt"]
    assert [(1, "retried"), (2, "retried"), (3, "dead_lettered")] == [
        (step["attempt"], step["outcome"]) for step in attempts
    ]
    assert [1, 202, 515] == [round(step["waited_ms"]) for step in attempts]
    assert {"InjectedFault: fault injected: failing-handler"} == {step["error"] for step in attempts}


def test_given_up_by_lines(connection: sqlite3.Connection) -> None:
    """Without spans the same attempts, retries and dead letters are told."""
    record(connection, observed("dead_letter")._replace(spans=[]))
    mine = [step["kind"] for step in told(connection, GIVEN_UP)["steps"] if step["handler"] == "threshold"]
    assert ["attempt", "retried", "attempt", "retried", "attempt", "dead_lettered"] == mine


def test_another_service(connection: sqlite3.Connection) -> None:
    """A message of a service that names no events is told by its message id, with the lines of its handling."""
    record(connection, observed("parcels"))
    found = told(connection, "p5")
    assert [
        ("request", "POST /parcels/{parcel}"),
        ("create", "create parcel.sent"),
        ("publish", "published to parcels"),
        ("attempt", "parcels"),
        ("log", "parcel packed"),
    ] == kinds(found, "title")
    assert ["parcel packed"] == [line["message"] for line in found["lines"]]


def test_sent(connection: sqlite3.Connection) -> None:
    """An event that was published where nobody is asked to confirm it was sent, and no more is claimed."""
    message = {**operation("send"), "messaging.message.id": "e1", "cartscope.outcome": "sent"}
    spans.record(connection, [span(1, kind="producer")._replace(attributes=message)])
    found = told(connection, "e1")
    assert [("publish", "sent")] == kinds(found, "outcome")
    assert ("sent", True) == (found["event"]["answer"], found["event"]["published"] is not None)


def test_trace_and_lines(connection: sqlite3.Connection, carts: Observed) -> None:
    """A story has the whole trace, and the trace's lines, oldest first."""
    record(connection, carts)
    found = told(connection, TWICE)
    assert found["trace"]["trace_id"] == found["event"]["trace_id"]
    assert 29 == len(found["trace"]["spans"])
    times = [line["time"] for line in found["lines"]]
    assert 11 == len(times)
    assert sorted(times) == times


def test_lines_are_bounded(connection: sqlite3.Connection, carts: Observed) -> None:
    """An event that is logged without end has a story still, with its latest lines."""
    record(connection, carts)
    [line] = [
        line
        for line in carts.lines
        if line.action == "notification.sent" and line.fields["cartscope.event.id"] == REACHED
    ]
    loud = [line._replace(time=line.time + number, action=None) for number in range(2 * MOST_LINES)]
    lines.record(connection, loud)
    assert MOST_LINES <= len(told(connection, REACHED)["lines"]) <= 2 * MOST_LINES


def test_unknown(connection: sqlite3.Connection) -> None:
    """An event that nobody told of has no story."""
    assert story(connection, "nobody") is None


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        (ADDED, "event", f"#/events/{ADDED}"),
        (f"  {ADDED}\n", "event", f"#/events/{ADDED}"),
        ("2ca3dcc83e6bd0a4a4d44e60e2f4fbfe", "none", None),
        ("93bf95e8-92", "subject", "#/events?subject=93bf95e8-92"),
        (f"<{REACHED}@cartscope>", "event", f"#/events/{REACHED}"),
        (f"{REACHED}@cartscope", "event", f"#/events/{REACHED}"),
        ("nobody@cartscope", "none", None),
        ("", "none", None),
        ("<script>", "none", None),
        ("x" * 10_000, "none", None),
        ("\ud800", "none", None),
        ("a\0b", "none", None),
    ],
)
def test_find(connection: sqlite3.Connection, carts: Observed, text: str, kind: str, address: str | None) -> None:
    """An id leads to what it is of, and anything else nowhere."""
    record(connection, carts)
    assert {"kind": kind, "address": address} == find(connection, text)


def test_find_by_trace(connection: sqlite3.Connection, carts: Observed) -> None:
    """A trace id, in a traceparent or by itself, leads to the trace; a span id to the trace at that span."""
    record(connection, carts)
    span = carts.spans[0]
    trace = {"kind": "trace", "address": f"#/traces/{span.trace_id}"}
    assert trace == find(connection, span.trace_id.upper())
    assert trace == find(connection, f"00-{span.trace_id}-{span.span_id}-01")
    assert {"kind": "span", "address": f"#/traces/{span.trace_id}?span={span.span_id}"} == find(
        connection, span.span_id
    )


def test_find_unsampled(connection: sqlite3.Connection, carts: Observed) -> None:
    """The trace and span ids of lines without spans lead to the event with which they began."""
    record(connection, carts._replace(spans=[]))
    first = next(line for line in carts.lines if line.fields["cartscope.event.id"] == ADDED)
    assert {"kind": "trace", "address": f"#/events/{ADDED}"} == find(connection, first.fields["trace.id"])
    assert {"kind": "span", "address": f"#/events/{ADDED}"} == find(connection, first.fields["span.id"])


def test_find_names_that_are_no_addresses(connection: sqlite3.Connection, carts: Observed) -> None:
    """A subject with signs that mean something in an address is found all the same."""
    [line, *_] = carts.lines
    lines.record(connection, [line._replace(fields={**line.fields, SUBJECT_FIELD: "a&b=c/d?#"})], SUBJECT_FIELD)
    assert {"kind": "subject", "address": "#/events?subject=a%26b%3Dc%2Fd%3F%23"} == find(connection, "a&b=c/d?#")


def test_further_publish(carts: Observed) -> None:
    """An event that was published again, as its first confirm was lost, has two such steps, with spans and without."""
    [told] = [line for line in _about(carts, ADDED) if line.action == "event.published"]
    [sent] = [
        span
        for span in carts.spans
        if span.attributes.get("messaging.message.id") == ADDED and span.name == "publish cart.events"
    ]
    lost = sent._replace(
        span_id="f" * 16,
        start=sent.start - 10**9,
        end=sent.end - 10**9,
        error="unknown",
        attributes={**sent.attributes, "error.type": "unknown"},
    )
    twice = [told._replace(time=told.time - 10**9, fields={**told.fields, "cartscope.outcome": "unknown"}), told]
    for shown in ([lost, sent], [sent], []):
        published = [step for step in steps(ADDED, shown, twice) if step.kind == "publish"]
        assert ["unknown", "confirmed"] == [step.outcome for step in published]


def _about(run: Observed, event_id: str) -> list[Line]:
    return [line for line in run.lines if line.fields["cartscope.event.id"] == event_id]


junk = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.integers())
)


@given(
    field=st.sampled_from(
        [
            "span.id",
            "cartscope.handler",
            "cartscope.attempt",
            "event.duration",
            "error.message",
            "trace.id",
            "cartscope.outcome",
        ]
    ),
    value=junk,
)
def test_fields_of_any_type(field: str, value: Any) -> None:
    """Whatever a line's fields hold, its story is told."""
    for line in observed("carts").lines[:6]:
        found = steps(ADDED, [], [line._replace(fields={**line.fields, field: value})])
        assert all(isinstance(step, Step) for step in found)


@given(
    key=st.sampled_from(
        [
            "cartscope.handler",
            "cartscope.attempt",
            "cloudevents.event_type",
            "messaging.operation.name",
            "messaging.destination.name",
            "error.type",
            "http.response.status_code",
            "cartscope.outcome",
        ]
    ),
    value=junk,
)
def test_attributes_of_any_type(key: str, value: Any) -> None:
    """Whatever a span's attributes hold, its story is told."""
    shown = [span._replace(attributes={**span.attributes, key: value}) for span in observed("carts").spans]
    assert _kinds_of(steps(ADDED, shown, [])) >= {"request", "publish", "attempt"}


def _kinds_of(found: Sequence[Step]) -> set[str]:
    return {step.kind for step in found}


def test_circles(carts: Observed) -> None:
    """Spans that are each other's parents are no way without end."""
    one, other = carts.spans[:2]
    attributes = {"messaging.message.id": "x", "messaging.operation.type": "send"}
    circle = [
        one._replace(parent_id=other.span_id, attributes=attributes),
        other._replace(parent_id=one.span_id, attributes={}, kind="internal"),
    ]
    assert ["publish"] == [step.kind for step in steps("x", circle, [])]
    assert {one.span_id} == own_spans("x", circle)
