"""Counting the log lines of the console's file: over time, by level, and as long as there is time."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart_observability.console.logs import counted, line_counts, line_index, lines
from cart_observability.console.logs.conditions import Condition
from cart_observability.console.logs.counted import Counted
from cart_observability.console.logs.query import read
from support.log_lines import SECOND, START, line, opened

pytest_plugins = ["support.log_line_fixtures"]

MINUTE = (START, START + 60 * SECOND)


def test_counts_over_time(connection: sqlite3.Connection) -> None:
    """Lines are counted by level from round times on; those from before the start are not counted."""
    lines.record(connection, [line(second, level=level) for second in range(30) for level in ("info", "error")])
    counts = line_counts.count(connection, read("handled"), START + 3 * SECOND, START + 17 * SECOND, 4)
    assert {
        "times": [(START + second * SECOND) / 1e6 for second in (0, 5, 10, 15)],
        "width_ms": 5000.0,
        "levels": {"info": [2, 5, 5, 2], "error": [2, 5, 5, 2]},
        "complete": True,
    } == counts


def test_many_levels(connection: sqlite3.Connection) -> None:
    """Of more levels than can be told apart, the rarest are counted together."""
    several = [line(number, level=f"level{number % 20}") for number in range(30)]
    lines.record(connection, several)
    counts = line_counts.count(connection, read(""), *MINUTE)["levels"]
    assert (line_counts.LEVELS + 1, 30) == (len(counts), sum(map(sum, counts.values())))


def test_round_widths() -> None:
    """Times to count by are round, and not more than were asked for by much."""
    spans = {1: 1, 61: 2, 3_000: 50, 900_000: 15_000, 3_600_000: 60_000, 86_400_000: 1_800_000, 10**13: 166_752_000_000}
    assert list(spans.values()) == [line_counts.width_for(span * 1_000_000, 60) // 1_000_000 for span in spans]


def total(counts: Mapping[str, Any]) -> int:
    """How many lines were counted."""
    return sum(map(sum, counts["levels"].values()))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("query", ["", "usual", "usual*", '"a usual line"', "NOT rare"])
def test_asking_again(connection: sqlite3.Connection, query: str) -> None:
    """Where time is up before all is counted, the next answer has more, until one has all; it counts nothing twice."""
    lines.record(connection, [line(number, "a usual line") for number in range(40)])
    known = Counted()
    answers: list[dict[str, Any]] = []
    while not (answers and answers[-1]["complete"]):
        answers.append(line_counts.count(connection, read(query), *MINUTE, seconds=0, counted=known))
    totals = [total(answer) for answer in answers]
    assert len(totals) > 1
    assert sorted(totals) == totals
    assert 40 == totals[-1]


@pytest.mark.usefixtures("small")
def test_what_was_counted_is_not_looked_up_again(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows a search has the newest lines counted, however many there were before."""
    lines.record(connection, [line(number, str(number)) for number in range(39)])
    looked = Mock(wraps=line_index.tally)
    monkeypatch.setattr(line_index, "tally", looked)
    known, condition = Counted(), read("NOT absent")
    assert 39 == total(line_counts.count(connection, condition, *MINUTE, counted=known))
    lines.record(connection, [line(40, "next")])
    looked.reset_mock()
    assert 40 == total(line_counts.count(connection, condition, *MINUTE, counted=known))
    firsts = {asked.args[4].first for asked in looked.call_args_list}
    assert {lines.newest(connection) // 8 * 8} == firsts


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("query", ["", "usual", "usual*", '"a usual line"'])
def test_a_range_that_moves(connection: sqlite3.Connection, query: str) -> None:
    """Of lines that were counted before, those are counted that are of the time that is asked for."""
    lines.record(connection, [line(number, "a usual line") for number in range(40)])
    known = Counted()
    for second in (10, 5, 8):
        ends = (START + second * SECOND, START + (second + 20) * SECOND)
        assert 20 == total(line_counts.count(connection, read(query), *ends, 20, counted=known))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("query", "first"), [("", [13, 29]), ("usual", [5, 13]), ("usual*", [5, 13]), ('"a usual line"', [0, 0])]
)
def test_while_lines_come(connection: sqlite3.Connection, query: str, first: Sequence[int]) -> None:
    """However little time there is, and however fast lines come, the older lines are counted, and then the newest."""
    lines.record(connection, [line(number, "a usual line") for number in range(40)])
    known = Counted()
    totals: list[int] = []
    complete: list[bool] = []
    for number in range(40, 60):
        lines.record(connection, [line(number, "a usual line")])
        counts = line_counts.count(connection, read(query), *MINUTE, seconds=0, counted=known)
        totals.append(total(counts))
        complete.append(counts["complete"])
        assert not complete[-1] or totals[-1] == number + 1
    assert (sorted(totals), first) == (totals, totals[:2])
    assert (False, True) == (complete[0], complete[-1])


@pytest.mark.usefixtures("small")
def test_what_was_counted_of_another_time(connection: sqlite3.Connection) -> None:
    """What was counted of lines some of which are not of the time that is asked for says nothing about that."""
    lines.record(connection, [line(number) for number in range(14)])
    known, condition = Counted(), read("handled")
    assert 14 == total(line_counts.count(connection, condition, *MINUTE, counted=known))
    lines.record(connection, [line(14)])
    later = (START + SECOND, START + 61 * SECOND)
    first = line_counts.count(connection, condition, *later, seconds=0, counted=known)
    assert (False, 11) == (first["complete"], total(first))
    assert 14 == total(line_counts.count(connection, condition, *later, counted=known))


@pytest.mark.usefixtures("small")
def test_a_look_that_would_not_end_in_time_is_not_begun(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each look at the index takes more than a third of the time, there are two."""
    lines.record(connection, [line(number, str(number)) for number in range(32)])
    clock = 0.0

    def slowly(*asked: Any) -> Any:
        nonlocal clock
        clock += 0.2
        return tally(*asked)

    tally = line_index.tally
    monkeypatch.setattr(line_index, "tally", slowly)
    monkeypatch.setattr("time.monotonic", lambda: clock)
    counts = line_counts.count(connection, read("number*"), *MINUTE, seconds=1)
    assert not counts["complete"]
    assert 0.8 == pytest.approx(clock)


def test_questions_that_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the questions asked last it is known what was counted, but for what is no longer there."""
    monkeypatch.setattr(counted, "QUESTIONS", 2)
    known = Counted()
    known.of("a", 0)[1] = (), Counter({(0, "info"): 3})
    known.of("b", 0)[1] = (), Counter({(0, "info"): 4})
    assert [1] == list(known.of("a", 1))
    known.of("c", 0)
    assert ([1], []) == (list(known.of("a", 1)), list(known.of("b", 0)))
    assert [] == list(known.of("a", 2))


QUERIES = ("", "m", "kind:1", "kind>3", "-kind:2", "log.level:error", "kind:1*", '"m x y"', 'kind:1 OR "m x y"')
BATCHES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=8, max_size=30)
PRUNED = st.integers(1, 30)
STARTS = st.integers(-1, 30).map(float)
STEPS = st.lists(BATCHES | PRUNED | STARTS, max_size=12)


@pytest.mark.usefixtures("small")
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, query=st.sampled_from(QUERIES), length=st.integers(0, 30), bins=st.integers(1, 20))
def test_counts_are_those_of_the_lines(steps: Sequence[Any], query: str, length: int, bins: int) -> None:
    """However lines are grouped, late or pruned, and whatever was counted before, counting gives what listing gives."""
    connection, unpruned, known = opened(), opened(), Counted()
    for step in steps:
        match step:
            case float() as start:
                begin = START + int(start) * SECOND
                asked = (read(query), begin, begin + length * SECOND)
                ever = lines.search(unpruned, *asked, limit=1000, seconds=60)["lines"]
                is_counted(connection, asked, bins, known, len(ever))
            case int() as pruned:
                lines.prune(connection, pruned)
            case batch:
                made = [line(at, "m x y", "info" if kind else "error", kind=kind) for at, kind in batch]
                lines.record(connection, made)
                lines.record(unpruned, made)
    connection.close()
    unpruned.close()


def is_counted(
    connection: sqlite3.Connection, asked: tuple[Condition, int, int], bins: int, known: Counted, ever: int
) -> None:
    """Hold what is counted, as often as it takes, against what is listed, and meanwhile against what ever was there."""
    counts = line_counts.count(connection, *asked, bins, 0, known)
    while not counts["complete"]:
        assert total(counts) <= ever
        counts = line_counts.count(connection, *asked, bins, 0, known)
    width = counts["width_ms"]
    listed = lines.search(connection, *asked, limit=1000, seconds=60)["lines"]
    expected = Counter((line["level"], line["time"] // width * width) for line in listed)
    told = {
        (level, time): lines
        for level, several in counts["levels"].items()
        for time, lines in zip(counts["times"], several, strict=True)
        if lines
    }
    assert expected == told
