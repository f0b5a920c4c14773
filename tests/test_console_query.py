"""The language of log searches: what it means, what it refuses, and that the index finds what it means."""

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_observability.console.events import events
from cart_observability.console.logs import line_counts, lines, vocabulary
from cart_observability.console.logs.conditions import (
    Between,
    Condition,
    Either,
    Every,
    Everything,
    Is,
    Logged,
    Not,
    Present,
)
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.logs.query import DEEPEST, LONGEST, MOST_PARTS, UnreadableError, read
from cart_observability.console.records import Line
from support.page_modules import told

DAY = 86_400_000_000_000
NOON = 1_795_694_400_000_000_000
"""2026-11-26T12:00:00Z"""


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("*", Everything()),
        ("handled", Is(None, "handled")),
        ('"event handled"', Is(None, "event handled")),
        (r'"a \"b\" \\ c"', Is(None, 'a "b" \\ c')),
        ("hand*", Is(None, "hand", is_start=True)),
        ("log.level:error", Is("log.level", "error")),
        ("url.full:http://127.0.0.1:8000/a", Is("url.full", "http://127.0.0.1:8000/a")),
        ('service.name:"my service"', Is("service.name", "my service")),
        ('service.name:""', Is("service.name", "")),
        ("service.name:cart*", Is("service.name", "cart", is_start=True)),
        ("trace.id:*", Present("trace.id")),
        ("attempt>1", Between("attempt", 1, has_low=False)),
        ("attempt>=-1.5e3", Between("attempt", -1500.0)),
        ('attempt<"10"', Between("attempt", high=10, has_high=False)),
        ("attempt<=10", Between("attempt", high=10)),
        ("attempt:[10 TO 20]", Between("attempt", 10, 20)),
        ("attempt:[ * TO 20 ]", Between("attempt", -math.inf, 20)),
        ("attempt:-5", Is("attempt", "-5")),
        ("a b", Every((Is(None, "a"), Is(None, "b")))),
        ("a AND b", Every((Is(None, "a"), Is(None, "b")))),
        ("a OR b c", Either((Is(None, "a"), Every((Is(None, "b"), Is(None, "c")))))),
        ("(a OR b) c", Every((Either((Is(None, "a"), Is(None, "b"))), Is(None, "c")))),
        ("-a", Not(Is(None, "a"))),
        ("NOT NOT a", Not(Not(Is(None, "a")))),
        ("-(a OR b)", Not(Either((Is(None, "a"), Is(None, "b"))))),
        ("-a:b", Not(Is("a", "b"))),
        ("a-b and", Every((Is(None, "a-b"), Is(None, "and")))),
        ("a:(b OR c*)", Either((Is("a", "b"), Is("a", "c", is_start=True)))),
        ("ANDY NOTE", Every((Is(None, "ANDY"), Is(None, "NOTE")))),
        ('"-"', Is(None, "-")),
        ("a:-", Is("a", "-")),
        ("@timestamp:2026-11-26", Logged(NOON - DAY // 2, NOON + DAY // 2)),
        ("@timestamp>=2026-11-26T12:00", Logged(NOON, LAST)),
        ("@timestamp>2026-11-26T11:59", Logged(NOON, LAST)),
        ('@timestamp<"2026-11-26 13:00:00+01:00"', Logged(FIRST, NOON)),
        ("@timestamp<=2026-11-26T11:59:59.999999999Z", Logged(FIRST, NOON)),
        ('@timestamp:[2026-11-26T12 TO "2026-11-27"]', Logged(NOON, NOON + 3 * DAY // 2)),
        ("@timestamp:[* TO *]", Logged(FIRST, LAST)),
        ("@timestamp:*", Everything()),
        ("@timestamp>9999-01-01", Logged(LAST, LAST)),
    ],
)
def test_meaning(text: str, condition: Condition) -> None:
    """Each form of the language means what its description says."""
    assert condition == read(text)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [
            {"field": "event.action", "values": [{"value": "loan.lent", "count": 7}, {"value": "a b", "count": 2}]},
            {"field": "library.shelf", "values": [{"value": "12", "count": 5}]},
            {"field": "trace.id", "values": [{"value": "0af7651916cd43dd8448eb211c80319c", "count": 1}]},
        ],
    ],
)
def test_examples(fields: list[dict[str, Any]]) -> None:
    """The page's examples can be read, and are made of the fields and values that are there."""
    given = [search for search, _ in told("logs/examples.js", "examples", fields)]
    assert all(read(search) for search in given)
    if fields:
        assert {"event.action:loan.*", "library.shelf>=12", 'event.action:loan.lent OR event.action:"a b"'} <= {*given}
        assert not [search for search in given if "trace.id" in search]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a AND", 5),
        ("OR a", 0),
        ("a OR OR b", 5),
        ("NOT", 3),
        ("(a", 0),
        ("a (b", 2),
        (")", 0),
        ("a)", 1),
        ("()", 1),
        ('a "b', 2),
        ('""', 0),
        ("-", 0),
        ("a -", 2),
        ("- a", 0),
        ("\\", 0),
        ("a OR ...", 5),
        ("a:", 2),
        ("a: b", 2),
        ('a:"b', 2),
        (":a", 0),
        ("a*b", 1),
        ("*a", 0),
        ("a:**", 2),
        ("a*:b", 0),
        ("a>b", 2),
        ("a>", 2),
        ("a>1x", 2),
        ("a>nan", 2),
        ("a>1e999", 2),
        ("a:[1 2]", 2),
        ("a:[1 TO x]", 8),
        ("@timestamp>soon", 11),
        ("@timestamp:2026-11-26*", 11),
        ("@timestamp:2026-13-26", 11),
        ("a:(b:c)", 3),
        ("-" * (DEEPEST + 1) + "a", DEEPEST + 1),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), DEEPEST + 1),
        ("a " * (MOST_PARTS + 1), 2 * MOST_PARTS),
        ("a" * (LONGEST + 1), LONGEST),
    ],
)
def test_what_cannot_be_read(text: str, position: int) -> None:
    """What does not follow the language is refused, with the place where it stops doing so."""
    with pytest.raises(UnreadableError) as refused:
        read(text)
    assert position == refused.value.position


FIELDS = ("a", "A b", "log.level", "service.name", "event.action", "message", "@timestamp", "c=d", "e.f")
SAID = [
    *(
        "",
        "x",
        "X",
        "x y",
        "x y z",
        "y x",
        "xy",
        "z\tx",
        "ẞ",
        "ss",
        "x-y",
        "***",
        '"',
        "\\",
        "x*",
        "1",
        "1.0",
        "-1",
        "2",
    ),
    *("\x00", "\x1f", "l" * 127, "l" * 128, "l" * 129, "l" * 129 + " l", "true", "null", "é x", "x. y, z", "x\u2028y"),
]
TEXTS = st.sampled_from(SAID)
ASKED = st.sampled_from([*SAID, "\ud800"])
NUMBERS = st.sampled_from([0, -0.0, 1, 1.0, -1, 2, 10, 10.5, 11, 0.1, 1e300, -1e-300, 2**53 + 1, 2**70, True, False])
VALUES = st.one_of(TEXTS, NUMBERS, st.none(), st.lists(st.one_of(TEXTS, NUMBERS), max_size=3), st.just({"x": "y"}))
TIMES = st.integers(NOON - 2 * DAY, NOON + 2 * DAY)
LINES = st.builds(
    Line,
    TIMES,
    st.sampled_from(["info", "info", "error", "very bad"]),
    TEXTS,
    st.none() | TEXTS,
    TEXTS,
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
NAMES = st.none() | st.sampled_from([name for name in FIELDS if name != "@timestamp"] + ["a B", "absent"])
ENDS = st.sampled_from([-math.inf, math.inf, 0.0, -0.0, 1.0, -1.0, 2.0, 10.0, 10.4, 0.1, 1e300, 2.0**53])
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.just(Everything()),
    st.builds(Is, NAMES, ASKED, st.booleans()),
    st.builds(Present, NAMES.filter(bool)),
    st.builds(Between, NAMES.filter(bool), ENDS, ENDS, st.booleans(), st.booleans()),
    st.builds(Logged, TIMES, TIMES),
)


def branches(conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Conditions of conditions."""
    several = st.lists(conditions, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(Every, several), st.builds(Either, several), st.builds(Not, conditions))


CONDITIONS = st.recursive(LEAVES, branches, max_leaves=6)


def recorded(batches: Sequence[Sequence[Line]]) -> sqlite3.Connection:
    """A console's file with some lines."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(lines.SCHEMA + events.SCHEMA)
    for batch in batches:
        lines.record(connection, batch)
    return connection


def found(connection: sqlite3.Connection, condition: Condition, **wanted: Any) -> list[dict[str, Any]]:
    """What a search finds."""
    answer: list[dict[str, Any]] = lines.search(connection, condition, FIRST, LAST, seconds=60, **wanted)["lines"]
    return answer


@settings(deadline=None, max_examples=200)
@given(
    batches=st.lists(st.lists(LINES, max_size=6), max_size=3),
    conditions=st.lists(CONDITIONS, min_size=1, max_size=5),
    few=st.sampled_from([0, 1, 2, vocabulary.FEW]),
)
def test_the_index_finds_what_is_meant(batches: list[list[Line]], conditions: list[Condition], few: int) -> None:
    """A search finds exactly the lines of which its condition holds, newest first, and counting counts those."""
    with pytest.MonkeyPatch.context() as patch:
        # Fields come to have too many terms to be known, and too many to be looked up one by one; what many lines have
        # is found without the index, and what few have is not.
        patch.setattr(vocabulary, "FEW", few)
        patch.setattr(vocabulary, "ONE_BY_ONE", few // 2)
        patch.setattr(lines, "AHEAD", few)
        patch.setattr(lines, "MANY", 2)
        is_found_as_meant(recorded(batches), batches, conditions)


def is_found_as_meant(connection: sqlite3.Connection, batches: list[list[Line]], conditions: list[Condition]) -> None:
    """Hold what is found against what is meant."""
    every = [line for batch in batches for line in sorted(batch, key=lambda line: line.time)]
    for condition in conditions:
        meant = [line for line in reversed(every) if condition.holds(line)]
        given_back = found(connection, condition, limit=100)
        assert [shown(line) for line in meant] == [(line["time"], line["message"]) for line in given_back]
        counts = line_counts.count(connection, condition, NOON - 3 * DAY, NOON + 3 * DAY, 7, 60)
        assert counts["complete"]
        assert levels(meant) == {level: sum(lines) for level, lines in counts["levels"].items()}
    connection.close()


def shown(line: Line) -> tuple[float, str]:
    """What tells a line apart, as it is given back."""
    return line.time / 1_000_000, line.message


def levels(found: Sequence[Line]) -> dict[str, int]:
    """How many lines there are of each level."""
    said = [line.level for line in found]
    return {level: said.count(level) for level in said}


PIECES = st.sampled_from(
    [
        *(
            "a",
            "b:",
            "c:d",
            "(",
            ")",
            " ",
            " AND ",
            " OR ",
            "NOT ",
            "-",
            '"',
            "*",
            "[1 TO 2]",
            ">",
            "<=",
            "1",
            "\\",
            "é",
        ),
        *("\x00", "@timestamp", ":", "2026-11-26", "x:[", "]"),
    ]
)
A_LINE = Line(NOON, "info", "s", None, "a b", {"c": "d", "n": 1})


@settings(deadline=None, max_examples=500)
@given(text=st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_every_text_is_read_or_refused(text: str) -> None:
    """Whatever is typed is either searched for or refused with a place, and nothing else happens."""
    try:
        condition = read(text)
    except UnreadableError as error:
        refused = error
        assert 0 <= refused.position <= len(text)
        return
    with contextlib.closing(recorded([[A_LINE]])) as connection:
        assert condition.holds(A_LINE) == bool(found(connection, condition))


def test_the_largest_search() -> None:
    """A search as long and deep as one may be is answered."""
    connection = recorded([[Line(NOON, "info", "s", "a", "m n", {f"f{number}": "x" for number in range(300)})]])
    deep = "-" * DEEPEST + "x"
    wide = " OR ".join(f"w{number}*" for number in range(MOST_PARTS - 1)) + " OR x"
    nested = "(a " * DEEPEST + "x" + ")" * DEEPEST
    either = "(b OR " * DEEPEST + "x" + ")" * DEEPEST
    assert [1, 1, 1, 1] == [len(found(connection, read(text))) for text in (deep, wide, nested, either)]
    connection.close()
