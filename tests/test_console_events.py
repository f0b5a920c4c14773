"""Events in the console: how what is told of them adds up, and how they are found again."""

import sqlite3
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cart_observability.console.events import event_search, events
from cart_observability.console.events.events import Filters
from cart_observability.console.records import Sighting
from support.console_records import (
    at,
    kept,
    ms,
)

OUTCOMES = [None, "done", "duplicate", "retried", "dead_lettered", "failed", "strange"]
ANSWERS = ["confirmed", "unroutable", "unknown", "refused", "strange"]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file without events."""
    with kept() as connection:
        yield connection


def handled(event_id: str, handler: str = "threshold", outcome: str | None = "done", **more: Any) -> Sighting:
    """A sighting of one attempt at an event."""
    defaults: dict[str, Any] = {"time": at(1), "attempt": 1, "type": "cart.item_added"}
    return Sighting(event_id, handler=handler, outcome=outcome, **(defaults | more))


def ids(answer: dict[str, Any]) -> list[str]:
    """The ids of the events that were found, in order."""
    return [event["id"] for event in answer["events"]]


def rows(sightings: Sequence[Sighting], batch: int) -> list[Any]:
    """All that is kept after sightings came in batches, but revisions and numbers."""
    with kept() as connection:
        for start in range(0, len(sightings), batch):
            events.sight(connection, sightings[start : start + batch])
        columns = "id, time, last, type, subject, cause, trace_rank, trace_id, answer, answered"
        handlings = """
            SELECT id, handler, outcome, attempts, handlings.time, duration, error
            FROM handlings JOIN events ON number = event ORDER BY 1, 2
        """
        return [
            *connection.execute(f"SELECT {columns} FROM events ORDER BY id"),
            *connection.execute(handlings),
        ]


def only(connection: sqlite3.Connection, event_id: str = "e1") -> dict[str, Any]:
    """An event that is there."""
    event = events.get(connection, event_id)
    assert event is not None
    return event


SIGHTINGS = st.builds(
    Sighting,
    event_id=st.sampled_from(["e1", "e2"]),
    time=st.integers(0, 5).map(at),
    type=st.sampled_from([None, "cart.item_added", "cart.item_removed"]),
    subject=st.sampled_from([None, "c1", "c2"]),
    trace_id=st.sampled_from([None, "a" * 32, "b" * 32]),
    cause=st.sampled_from([None, "e0"]),
    handler=st.sampled_from([None, "threshold", "popularity"]),
    outcome=st.sampled_from(OUTCOMES + ANSWERS),
    attempt=st.sampled_from([None, 1, 2, 3]),
    duration=st.sampled_from([None, 5, 7]),
    error=st.sampled_from([None, "no", "ValueError"]),
    is_birth=st.booleans(),
)


@given(
    st.lists(SIGHTINGS, max_size=8).flatmap(
        lambda told: st.tuples(st.just(told), st.lists(st.sampled_from(told), max_size=4) if told else st.just([]))
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
@example(([handled("e1", attempt=2, outcome="retried"), handled("e1", attempt=1)], []), Random(1), 1)
def test_order_and_repetition(told: tuple[list[Sighting], list[Sighting]], shuffle: Any, batch: int) -> None:
    """Whatever is told of events adds up to the same, in any order, in any batches, and however often it comes."""
    once, again = told
    shuffled = [*once, *again]
    shuffle.shuffle(shuffled)
    assert rows(once, max(1, len(once))) == rows(shuffled, batch)


def test_repetition_is_no_change(connection: sqlite3.Connection) -> None:
    """What is told a second time changes nothing, so that nobody is told of a change."""
    sightings = [handled("e1"), handled("e2")]
    assert 2 == events.sight(connection, sightings)
    revision = events.newest(connection)
    assert 0 == events.sight(connection, sightings)
    assert revision == events.newest(connection)


def test_a_later_attempt(connection: sqlite3.Connection) -> None:
    """The outcome of a later attempt stands, even if the earlier one is heard of last."""
    failure = handled("e1", outcome="retried", attempt=1, error="mail server away", time=at(1))
    events.sight(connection, [handled("e1", attempt=2, time=at(3), duration=2_000_000)])
    events.sight(connection, [failure])
    expected = {
        "handler": "threshold",
        "outcome": "done",
        "attempts": 2,
        "time": ms(3),
        "duration_ms": 2.0,
        "error": None,
    }
    assert [expected] == only(connection)["handlings"]


def test_done_and_delivered_again(connection: sqlite3.Connection) -> None:
    """An attempt that was done, and whose message came again as the same attempt, was done."""
    events.sight(
        connection, [handled("e1", outcome="duplicate", time=at(2)), handled("e1", outcome="done", time=at(1))]
    )
    assert ["done"] == [handling["outcome"] for handling in only(connection)["handlings"]]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_replayed_dead_letter(connection: sqlite3.Connection, is_late: bool) -> None:  # noqa: FBT001  a case
    """What was given up, and done as a first attempt after a replay, is done."""
    told = [handled("e1", outcome="dead_lettered", attempt=5, error="no", time=at(1)), handled("e1", time=at(9))]
    for sighting in reversed(told) if is_late else told:
        events.sight(connection, [sighting])
    assert ["done"] == [handling["outcome"] for handling in only(connection)["handlings"]]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_dead_letter_that_fails_again(connection: sqlite3.Connection, is_late: bool) -> None:  # noqa: FBT001  a case
    """What was given up, and failed again after a replay, waits for its next attempt; and then it is given up again."""
    lives = [
        [handled("e1", outcome="retried", attempt=1, time=at(1)), handled("e1", outcome="dead_lettered", attempt=2)],
        [handled("e1", outcome="retried", attempt=1, time=at(7), error="still no")],
        [handled("e1", outcome="dead_lettered", attempt=2, time=at(9), error="no again")],
    ]
    found = []
    for number in range(len(lives)):
        told = [sighting for life in lives[: number + 1] for sighting in life]
        events.sight(connection, reversed(told) if is_late else told)
        [handling] = only(connection)["handlings"]
        found.append(tuple(handling[name] for name in ("outcome", "attempts", "time", "error")))
    assert [
        ("dead_lettered", 2, ms(1), None),
        ("retried", 1, ms(7), "still no"),
        ("dead_lettered", 2, ms(9), "no again"),
    ] == found


def test_what_a_person_did_to_a_dead_letter(connection: sqlite3.Connection) -> None:
    """What was given up is under way again once it was replayed, and stays undone once it was purged."""
    events.sight(connection, [handled("e1", outcome="dead_lettered", attempt=5, time=at(1))])
    found = []
    for did in (handled("e1", outcome=None, time=at(3)), handled("e1", outcome="purged", time=at(5))):
        events.sight(connection, [did])
        found += [handling["outcome"] for handling in only(connection)["handlings"]]
    assert [None, "purged"] == found


def test_an_attempt_under_way(connection: sqlite3.Connection) -> None:
    """An attempt of which only a line in its midst is known has no outcome yet."""
    events.sight(connection, [handled("e1", outcome=None)])
    assert [None] == [handling["outcome"] for handling in only(connection)["handlings"]]
    events.sight(connection, [handled("e1", outcome="retried", error="no")])
    assert ["retried"] == [handling["outcome"] for handling in only(connection)["handlings"]]


def test_published(connection: sqlite3.Connection) -> None:
    """An event was published when the bus first confirmed it, whatever else it answered before."""
    answers = [("unknown", 1), ("confirmed", 3), ("confirmed", 2)]
    events.sight(connection, [Sighting("e1", at(time), outcome=outcome) for outcome, time in answers])
    assert (ms(2), "confirmed") == (only(connection)["published"], only(connection)["answer"])


def test_not_published(connection: sqlite3.Connection) -> None:
    """An event that the bus did not take was not published, and its answer can be looked for."""
    events.sight(connection, [Sighting("e1", at(1), outcome="unroutable"), Sighting("e2", at(1), outcome="confirmed")])
    assert (None, "unroutable") == (only(connection)["published"], only(connection)["answer"])
    assert ["e1"] == ids(events.find(connection, Filters(outcome="unroutable")))


def test_the_trace_of_its_birth(connection: sqlite3.Connection) -> None:
    """An event's trace is the one in which it came into being, not one that asked for it or took it up again."""
    born = Sighting("e1", at(2), trace_id="b" * 32, is_birth=True)
    repeated = Sighting("e1", at(3), trace_id="a" * 32, is_birth=True)
    events.sight(connection, [Sighting("e1", at(1), trace_id="c" * 32), repeated, born])
    assert "b" * 32 == only(connection)["trace_id"]


def test_times(connection: sqlite3.Connection) -> None:
    """An event's time is when it was first heard of, its last when it was last: a handling begins before it ends."""
    events.sight(connection, [handled("e1", time=at(2), duration=1_000_000_000), handled("e1", time=at(3), attempt=2)])
    assert (ms(1), ms(3)) == (only(connection)["time"], only(connection)["last"])


def test_order(connection: sqlite3.Connection) -> None:
    """The event that changed last comes first, and pages follow one another without a gap."""
    events.sight(connection, [handled(f"e{number}") for number in range(5)])
    events.sight(connection, [handled("e1", handler="popularity")])
    first = events.find(connection, limit=2)
    assert (["e1", "e4"], True) == (ids(first), first["more"])
    second = events.find(connection, before=first["events"][-1]["revision"], limit=10)
    assert (["e3", "e2", "e0"], False) == (ids(second), second["more"])


def test_what_changed(connection: sqlite3.Connection) -> None:
    """Who has seen a revision is given what changed after it, and no more."""
    events.sight(connection, [handled("e1"), handled("e2")])
    seen = events.newest(connection)
    assert [] == ids(events.find(connection, after=seen))
    events.sight(connection, [handled("e1"), handled("e2", attempt=2)])
    assert ["e2"] == ids(events.find(connection, after=seen))


FOUND = [
    (Filters(), ["e4", "e3", "e2", "e1"]),
    (Filters(type="cart.threshold_reached"), ["e3"]),
    (Filters(subject="c2"), ["e3", "e2"]),
    (Filters(handler="popularity"), ["e4", "e2", "e1"]),
    (Filters(outcome="done"), ["e4", "e2", "e1"]),
    (Filters(outcome="retried"), ["e4"]),
    (Filters(handler="threshold", outcome="done"), ["e2", "e1"]),
    (Filters(handler="threshold", outcome="retried", subject="c1"), ["e4"]),
    (Filters(outcome="dead_lettered", type="cart.threshold_reached"), ["e3"]),
    (Filters(id="e2"), ["e2"]),
    (Filters(id="e2", outcome="retried"), []),
    (Filters(id="e1", outcome="confirmed"), ["e1"]),
    (Filters(outcome="confirmed"), ["e1"]),
    (Filters(handler="nobody"), []),
    (Filters(type="nothing"), []),
]


@pytest.mark.parametrize(("filters", "expected"), FOUND)
def test_filters(connection: sqlite3.Connection, filters: Filters, expected: list[str]) -> None:
    """Events are found by type, handler, outcome, subject and id, each once, and by several of them together."""
    sightings = [
        handled("e1", "threshold", subject="c1"),
        handled("e1", "popularity", subject="c1"),
        Sighting("e1", at(1), outcome="confirmed"),
        handled("e2", "threshold", subject="c2"),
        handled("e2", "popularity", subject="c2"),
        handled("e3", "notification", "dead_lettered", subject="c2", type="cart.threshold_reached"),
        handled("e4", "threshold", "retried", subject="c1"),
        handled("e4", "popularity", subject="c1"),
    ]
    events.sight(connection, sightings)
    assert expected == ids(events.find(connection, filters))


@given(
    st.lists(SIGHTINGS.map(lambda sighting: sighting._replace(event_id=f"e{sighting.time % 7}")), max_size=12),
    st.builds(
        Filters,
        type=st.sampled_from([None, "cart.item_added"]),
        handler=st.sampled_from([None, "threshold"]),
        outcome=st.sampled_from([None, "done", "retried", "unroutable"]),
        subject=st.sampled_from([None, "c1"]),
        id=st.none(),
    ),
    st.sampled_from([None, at(2)]),
    st.sampled_from([None, at(3)]),
    st.integers(0, 3),
)
def test_search_equals_a_look_at_all(
    sightings: list[Sighting], filters: Filters, start: int | None, end: int | None, forgotten: int
) -> None:
    """A search by indices finds what a look at every event would."""

    def fits(event: dict[str, Any]) -> bool:
        return (
            filters.type in (None, event["type"])
            and filters.subject in (None, event["subject"])
            and (start is None or event["last"] >= start / 1e6)
            and (end is None or event["time"] <= end / 1e6)
            and ((filters.handler is None and filters.outcome in (None, event["answer"])) or handled_so(event))
        )

    def handled_so(event: dict[str, Any]) -> bool:
        return any(
            filters.handler in (None, handling["handler"]) and filters.outcome in (None, handling["outcome"])
            for handling in event["handlings"]
        )

    with kept() as connection, patch.object(events, "BLOCK", 2), patch.object(event_search, "BLOCK", 2):
        for at_once in range(0, len(sightings), 3):
            events.sight(connection, sightings[at_once : at_once + 3])
        events.prune(connection, forgotten)
        everything = events.find(connection, limit=1000)["events"]
        expected = [event["id"] for event in everything if fits(event)]
        assert expected == ids(events.find(connection, filters, start, end))


def test_within_a_time(connection: sqlite3.Connection) -> None:
    """An event is within a time if it was on its way then: begun before its end, and heard of after its start."""
    events.sight(connection, [handled("e1", time=at(10)), handled("e1", "popularity", time=at(20))])
    assert ["e1"] == ids(events.find(connection, start=at(15), end=at(16)))
    assert [] == ids(events.find(connection, start=at(21)))
    assert [] == ids(events.find(connection, end=at(9)))


def test_follow_ups(connection: sqlite3.Connection) -> None:
    """What an event caused is given with what that caused, and a circle of causes has an end."""
    causes = [("e2", "e1"), ("e3", "e2"), ("e4", "e1"), ("e5", "e9"), ("e1", "e3")]
    sightings = [Sighting(event, at(int(event[1])), cause=cause) for event, cause in causes]
    events.sight(connection, sightings)
    found = [(event["id"], event["cause"]) for event in events.follow_ups(connection, "e1")]
    assert [("e2", "e1"), ("e3", "e2"), ("e4", "e1")] == found


def test_unknown(connection: sqlite3.Connection) -> None:
    """An event that nobody told of is not there."""
    assert (None, [], 0, None) == (
        events.get(connection, "e1"),
        events.follow_ups(connection, "e1"),
        events.newest(connection),
        events.oldest(connection),
    )


def test_pruning(connection: sqlite3.Connection) -> None:
    """The oldest events are forgotten with their handlings, and revisions go on rising when all are."""
    events.sight(connection, [handled(f"e{number}", time=at(number)) for number in range(5)])
    assert 2 == events.prune(connection, 2)
    assert (["e4", "e3", "e2"], at(2)) == (ids(events.find(connection)), events.oldest(connection))
    assert 3 == events.prune(connection, 100)
    assert [(0,)] == connection.execute("SELECT count(*) FROM handlings").fetchall()
    revision = events.newest(connection)
    events.sight(connection, [handled("e9")])
    assert ["e9"] == ids(events.find(connection, after=revision))


def test_pruning_by_age(connection: sqlite3.Connection) -> None:
    """Events that were last heard of before a time are forgotten, at most so many at once."""
    events.sight(connection, [handled(f"e{number}", time=at(number)) for number in range(5)])
    assert 2 == events.prune_before(connection, at(3), 2)
    assert 1 == events.prune_before(connection, at(3), 2)
    assert 0 == events.prune_before(connection, at(3), 2)
    assert ["e4", "e3"] == ids(events.find(connection))


def test_ids_are_kept_apart(connection: sqlite3.Connection) -> None:
    """Ids that a query could mistake for something else are ids."""
    strange = ["1", "1.0", "null", "true", '"', "'; DROP TABLE events; --", "ä", "%", "[1]"]
    events.sight(connection, [handled(each) for each in strange])
    events.sight(connection, [handled(each, "popularity") for each in strange])
    assert strange == [event["id"] for each in strange if (event := events.get(connection, each))]
    assert [2] * len(strange) == [len(event["handlings"]) for event in events.find(connection)["events"]]
