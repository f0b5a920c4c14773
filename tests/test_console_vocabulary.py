"""What is known of the fields of log lines, and of the terms that those with few have."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from cart_observability.console.events import events
from cart_observability.console.logs import line_index, lines, vocabulary
from cart_observability.console.logs.terms import SIZE, VALUE, WORD
from cart_observability.console.logs.vocabulary import Vocabulary
from cart_observability.console.records import Line


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """An empty file in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(lines.SCHEMA + events.SCHEMA)
        yield connection


def record(connection: sqlite3.Connection, *values: str) -> None:
    """Log some values of one field."""
    lines.record(
        connection, [Line(number, "info", "cart", None, "said", {"field": each}) for number, each in enumerate(values)]
    )


def test_the_terms_of_a_field_with_few_are_known(connection: sqlite3.Connection) -> None:
    """A beginning is looked up by the terms that begin so, be they of one batch or of several."""
    record(connection, "red", "reed")
    record(connection, "blue")
    known = line_index.vocabulary(connection)
    head = "field" + VALUE
    assert {head + "red", head + "reed", head + "blue"} == known.few[head]
    assert f'("{head}red" OR "{head}reed")' == known.starting(head, "re")
    assert f'"{head}blue"' == known.starting(head, "b")
    assert known.starting(head, "x") is None


def test_a_field_with_many_terms_is_looked_up_by_beginnings(connection: sqlite3.Connection) -> None:
    """Of a field that has come to have many terms none is kept, then and later."""
    head = "field" + VALUE
    record(connection, *(f"a{number}" for number in range(vocabulary.FEW)))
    assert vocabulary.FEW == len(line_index.vocabulary(connection).few[head])
    for late in ("b", "c"):
        record(connection, late)
        known = line_index.vocabulary(connection)
        assert head in known.heads
        assert head not in known.few
        assert f'"{head}b"*' == known.starting(head, "b")
    assert {"message" + WORD, "log.level" + VALUE, "service.name" + VALUE, head} == known.heads


def test_many_terms_with_one_beginning_are_looked_up_by_it() -> None:
    """It is cheaper to look up a beginning than each of many terms."""
    known = Vocabulary()
    head = "field" + SIZE
    known.add(head, [f"{head}{number:02x}" for number in range(vocabulary.ONE_BY_ONE + 1)])
    assert f'"{head}"*' == known.starting(head, "")
    assert vocabulary.ONE_BY_ONE == (known.starting(head, "0") or "").count(head)


def test_a_field_that_nobody_knows_is_looked_up_by_beginnings() -> None:
    """Of a field beyond those that are known nothing is known."""
    known = Vocabulary(map(str, range(vocabulary.HEADS)))
    assert not known.add("late" + VALUE, ["late" + VALUE + "x"])
    assert f'"late{VALUE}x"*' == known.starting("late" + VALUE, "x")
