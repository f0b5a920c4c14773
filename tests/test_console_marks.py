"""What the console's charts mark."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cart_observability.console.charts import marks
from cart_observability.console.events import events
from cart_observability.console.logs import lines
from cart_observability.console.records import Line
from support.console_metrics import at


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file that lines are recorded in."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for schema in (lines.SCHEMA, events.SCHEMA):
            connection.executescript(schema)
        yield connection


def line(seconds: float, action: str, service: str = "worker", **fields: Any) -> Line:
    """A log line that says what happened."""
    return Line(at(seconds), "info", service, action, action, {name.replace("_", "."): v for name, v in fields.items()})


def marked(connection: sqlite3.Connection, start: float = 0, end: float = 100) -> list[tuple[float, str, str, bool]]:
    """The marks of a time: seconds, kind, text, and whether something ended."""
    return [
        ((mark["time"] - at(0) / 1e6) / 1000, mark["kind"], mark["text"], mark["ended"])
        for mark in marks.between(connection, at(start), at(end))
    ]


def test_what_is_marked(connection: sqlite3.Connection) -> None:
    """Faults and the lives of processes are marked as lines tell of them; other lines are not."""
    lines.record(
        connection,
        [
            line(50, "process.stopped", "relay"),
            line(10, "process.started", "relay"),
            line(20, "fault.injected", cartscope_fault="slow-handler", cartscope_handler="threshold"),
            line(25, "event.handled"),
            line(30, "fault.ended", cartscope_fault="slow-handler", cartscope_handler="threshold"),
            line(40, "process.failed", "api"),
        ],
    )
    assert [
        (10, "process", "relay started", False),
        (20, "fault", "slow-handler threshold", False),
        (30, "fault", "slow-handler threshold", True),
        (40, "process", "api failed", True),
        (50, "process", "relay stopped", True),
    ] == marked(connection)
    assert [20, 30] == [mark[0] for mark in marked(connection, 20, 40)]


def test_the_same_from_several(connection: sqlite3.Connection) -> None:
    """A fault that each process takes notice of is one mark; switched on again later, it is another."""
    for seconds in (10, 10.4, 12, 60):
        lines.record(connection, [line(seconds, "fault.injected", cartscope_fault="paused-relay")])
    assert [10, 60] == [mark[0] for mark in marked(connection)]


def test_on_again_at_once(connection: sqlite3.Connection) -> None:
    """A fault that is switched off and on again within seconds is on."""
    for seconds, action in enumerate(("injected", "ended", "injected")):
        lines.record(connection, [line(seconds, f"fault.{action}", cartscope_fault="paused-relay")])
    assert [(0, False), (1, True), (2, False)] == [(mark[0], mark[3]) for mark in marked(connection)]


def test_foreign_fields(connection: sqlite3.Connection) -> None:
    """A fault without a name is told by its message, a name that is none by its text, and no text is endless."""
    lines.record(connection, [line(1, "fault.injected"), line(9, "fault.injected", cartscope_fault=17)])
    lines.record(connection, [line(20, "fault.injected", cartscope_fault="x" * 10_000)])
    assert ["fault.injected", "17", "x" * marks.LONGEST] == [mark[2] for mark in marked(connection)]


def test_pruning(connection: sqlite3.Connection) -> None:
    """Marks go oldest first, some at a time, or those from before a time."""
    lines.record(connection, [line(seconds, "process.started") for seconds in range(0, 100, 10)])
    assert (at(0), 3) == (marks.oldest(connection), marks.prune(connection, 3))
    assert (at(30), 4) == (marks.oldest(connection), marks.prune_before(connection, at(70), 100))
    assert [70, 80, 90] == [mark[0] for mark in marked(connection)]
    assert (3, 0, None) == (marks.prune(connection, 100), marks.prune(connection, 100), marks.oldest(connection))
