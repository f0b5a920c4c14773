"""Log lines in the console's file: what is found and counted, what goes first, and that all of it stays in bounds."""

import json
import sqlite3
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from cart_observability.console.events import events
from cart_observability.console.file import SignalFile
from cart_observability.console.logs import line_counts, line_index, lines, vocabulary
from cart_observability.console.logs.conditions import Everything, Is, Not
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.logs.query import read
from cart_observability.console.records import Line
from support.log_lines import SCHEMA, SECOND, START, found, line

pytest_plugins = ["support.log_line_fixtures"]


def test_the_shape_of_a_line(connection: sqlite3.Connection) -> None:
    """A line comes back with all that was recorded of it, its time in milliseconds."""
    fields = {"trace.id": "ab", "list": [1, "x"], "none": None, "size": 10**30}
    lines.record(connection, [Line(START + 1_500_000, "error", "cart", "event.handled", "m", fields)])
    (answer,) = lines.search(connection, Everything(), FIRST, LAST)["lines"]
    shape = {"id": lines.newest(connection), "time": START / 1e6 + 1.5, "level": "error", "service": "cart"}
    assert {**shape, "action": "event.handled", "message": "m", "fields": fields} == answer
    assert answer == json.loads(json.dumps(answer))


def test_nothing_recorded(connection: sqlite3.Connection) -> None:
    """An empty file has no lines, and every question has an answer."""
    lines.record(connection, [])
    assert (0, None, 0, 0) == (
        lines.newest(connection),
        lines.oldest(connection),
        lines.prune(connection, 10),
        lines.prune_before(connection, LAST, 10),
    )
    nothing: dict[str, Any] = {"lines": [], "more": False, "before": None}
    assert nothing == lines.search(connection, read("a b*"), FIRST, LAST)
    assert {"sampled": 0, "fields": []} == lines.fields(connection, read(""), FIRST, LAST)
    counts = line_counts.count(connection, read("a"), START, START + 60 * SECOND)
    assert ({}, True, 60) == (counts["levels"], counts["complete"], len(counts["times"]))


def test_lines_are_kept_in_the_order_of_time(connection: sqlite3.Connection) -> None:
    """Lines that come together are ordered by their times; newer ones come first."""
    lines.record(connection, [line(3, "c"), line(1, "a"), line(2, "b")])
    lines.record(connection, [line(2.5, "late")])
    assert ["late", "c", "b", "a"] == found(connection)


@pytest.mark.usefixtures("small")
def test_paging(connection: sqlite3.Connection) -> None:
    """Page after page, every line is met once, whatever comes meanwhile; following meets each newer one."""
    lines.record(connection, [line(number, str(number)) for number in range(50)])
    newest = lines.newest(connection)
    pages: list[str] = []
    before, is_more = None, True
    while is_more:
        answer = lines.search(connection, read("cart"), FIRST, LAST, before, limit=7)
        pages += [line["message"] for line in answer["lines"]]
        before, is_more = answer["before"], answer["more"]
        lines.record(connection, [line(100, "newer")])
    assert [str(number) for number in reversed(range(50))] == pages
    assert ["newer"] * 8 == found(connection, after=newest)
    assert ["newer"] * 3 == found(connection, after=newest, limit=3)
    assert [] == found(connection, after=lines.newest(connection))
    assert ["3", "2"] == found(connection, before=newest - 45, after=newest - 48)


@pytest.mark.parametrize("extreme", [-(1 << 80), -1, 0, 1 << 62, 1 << 80])
def test_ids_that_never_were(connection: sqlite3.Connection, extreme: int) -> None:
    """Any number is taken for an id or a time."""
    lines.record(connection, [line(1, "a")])
    assert (["a"] if extreme > 1000 else []) == found(connection, before=extreme)
    assert ([] if extreme > 1000 else ["a"]) == found(connection, after=extreme)
    bounded = lines.search(connection, read("a"), extreme, extreme + 1)
    counted = line_counts.count(connection, read("a"), extreme, extreme + 1)
    assert ([], {}) == (bounded["lines"], counted["levels"])


def test_time_runs_out(connection: sqlite3.Connection) -> None:
    """A search that takes too long says how far it came, and goes on from there."""
    lines.record(connection, [line(number, f"a x {number} x 7") for number in range(20)])
    phrase = read('"a x 7"')
    answer = lines.search(connection, phrase, FIRST, LAST, seconds=0)
    assert ([], True, lines.newest(connection)) == (answer["lines"], answer["more"], answer["before"])
    rounds = 1
    while not answer["lines"]:
        answer = lines.search(connection, phrase, FIRST, LAST, answer["before"], seconds=0)
        rounds += 1
    assert ("a x 7 x 7", 13) == (answer["lines"][0]["message"], rounds)


@pytest.mark.usefixtures("small")
def test_time_runs_out_where_nothing_is_found(connection: sqlite3.Connection) -> None:
    """A part of the index that has nothing takes time, too: a search says that it has come to its end."""
    lines.record(connection, [line(0, "rare"), *(line(number, "usual") for number in range(1, 40))])
    answers = [lines.search(connection, read("rare"), FIRST, LAST, seconds=0)]
    while not answers[-1]["lines"]:
        answers.append(lines.search(connection, read("rare"), FIRST, LAST, answers[-1]["before"], seconds=0))
    assert [32, 16] == [answer["before"] for answer in answers[:-1]]
    assert ["rare"] == [each["message"] for each in answers[-1]["lines"]]


@pytest.mark.usefixtures("small")
def test_what_many_lines_have_is_found_without_the_index(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index, which would collect all lines of a beginning first, is asked only where the newest have it not."""
    monkeypatch.setattr(vocabulary, "FEW", 0)
    lines.record(connection, [line(number, f"usual{number}") for number in range(20)])
    lines.record(connection, [line(20 + number, "rare" if number == 2 else "other") for number in range(20)])
    index = Mock(wraps=line_index.parts_of)
    monkeypatch.setattr(line_index, "parts_of", index)
    assert [20, 1] == [len(found(connection, read(query))) for query in ("usual*", "rare*")]
    assert 2 == index.call_count
    assert 19 == len(found(connection, read("other*")))
    assert 2 == index.call_count


def test_a_range_of_time(connection: sqlite3.Connection) -> None:
    """A search has a first time, and a time that is too late."""
    lines.record(connection, [line(number, str(number)) for number in range(10)])
    answer = lines.search(connection, Not(Is(None, "5")), START + 3 * SECOND, START + 7 * SECOND)
    assert ["6", "4", "3"] == [line["message"] for line in answer["lines"]]


def test_many_fields(connection: sqlite3.Connection) -> None:
    """However many fields there are, a value is found in each of them, be it named or not."""
    several: dict[str, Any] = {f"prose{number}": f"value {number}" for number in range(300)}
    several |= {f"number{number}": number + 0.5 for number in range(300)}
    lines.record(connection, [line(1, **several), line(2)])
    for query in ('"value 299"', "prose299:299", "299.5", "number299:299.5", "number299>299", "valu*", "number299:*"):
        assert 1 == len(found(connection, read(query))), query
    assert vocabulary.HEADS == len(line_index.vocabulary(connection).heads)


def test_hostile_texts(connection: sqlite3.Connection) -> None:
    """No text of a line or of a search is anything but text."""
    texts = [
        '"',
        "'; DROP TABLE lines; --",
        "\x00",
        "NEAR(a b)",
        "a\nb",
        "{x} : y*",
        "\U0001f600",
        "<script>",
        "%s?1:x",
    ]
    lines.record(connection, [line(1, text, **{text: text}) for text in texts])
    for text in texts:
        assert text in found(connection, Is(None, text))
        assert text in found(connection, Is(text, text))


def test_fields(connection: sqlite3.Connection) -> None:
    """The fields of what is found come with their most frequent values."""
    lines.record(
        connection, [line(number, handler="even" if number % 2 == 0 else "odd", number=number) for number in range(30)]
    )
    answer = lines.fields(connection, read("handler:even OR number:3"), FIRST, LAST, seconds=60)
    fields = {field["field"]: field for field in answer["fields"]}
    assert (16, ["handler", "log.level", "number", "service.name"]) == (answer["sampled"], list(fields))
    assert [{"value": "even", "count": 15}, {"value": "odd", "count": 1}] == fields["handler"]["values"]
    assert (16, 10) == (fields["number"]["distinct"], len(fields["number"]["values"]))


@pytest.mark.usefixtures("small")
def test_pruning(connection: sqlite3.Connection) -> None:
    """The oldest lines go first, in whole groups; the last group stays, and ids go on."""
    lines.record(connection, [line(number, str(number)) for number in range(50)])
    newest = lines.newest(connection)
    assert 8 == lines.prune(connection, 10)
    assert (START + 8 * SECOND, [str(number) for number in range(49, 7, -1)]) == (
        lines.oldest(connection),
        found(connection),
    )
    assert ["8"] == found(connection, read("8"))
    assert [] == found(connection, read("7"))
    counts = line_counts.count(connection, read("cart"), START, START + 60 * SECOND)["levels"]
    assert 42 == sum(counts["info"])
    while lines.prune(connection, 1000):
        pass
    assert (newest, ["49", "48"]) == (lines.newest(connection), found(connection))
    assert 1 == len(line_index.parts(connection))
    lines.record(connection, [line(99, "next")])
    assert (newest + 1, ["next", "49", "48"]) == (lines.newest(connection), found(connection))


@pytest.mark.usefixtures("small")
def test_pruning_by_age(connection: sqlite3.Connection) -> None:
    """Lines from before a time go, some at a time, but not with one that is of that time or later."""
    times = [1, 2, 3, 4, 5, 900, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    for time in times:
        lines.record(connection, [line(time, str(time))])
    removed = [lines.prune_before(connection, START + 14 * SECOND, 4) for _ in range(4)]
    assert [4, 4, 0, 0] == removed
    assert ["17", "16", "15", "14", "13", "8", "7", "900", "5"] == found(connection)


def test_what_is_read_is_of_one_moment(tmp_path: Path) -> None:
    """An answer in several steps does not change with what is recorded and pruned meanwhile."""
    file = SignalFile(tmp_path / "signals.db", [SCHEMA])
    file.submit(lambda connection: lines.record(connection, [line(n, str(n)) for n in range(300)])).result(10)
    with file.reading() as connection:
        with lines.snapshot(connection):
            before = found(connection)
            assert 256 == file.submit(lambda writer: lines.prune(writer, 1000)).result(10)
            assert before == found(connection)
        assert 44 == len(found(connection))
    file.close()


def test_what_lines_tell_of_events(connection: sqlite3.Connection) -> None:
    """Lines that name an event are sightings of it."""
    told = {"cartscope.event.id": "e1", "cartscope.handler": "threshold", "cartscope.outcome": "done"}
    lines.record(connection, [line(1, **told)])
    event = events.get(connection, "e1")
    assert event is not None
    assert [("threshold", "done")] == [(each["handler"], each["outcome"]) for each in event["handlings"]]
