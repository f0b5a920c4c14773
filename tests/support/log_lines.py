"""Log lines as the console records them, and a file for them."""

import sqlite3
from typing import Any

from cart_observability.console.events import events
from cart_observability.console.logs import lines
from cart_observability.console.logs.conditions import Condition, Everything
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.records import Line

SECOND = 1_000_000_000
START = 1_795_694_400 * SECOND
SCHEMA = lines.SCHEMA + events.SCHEMA


def opened() -> sqlite3.Connection:
    """An empty file in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def line(second: float, message: str = "event handled", level: str = "info", **fields: Any) -> Line:
    """A line of some second after the start."""
    return Line(START + int(second * SECOND), level, "cart", None, message, fields)


def found(connection: sqlite3.Connection, condition: Condition | None = None, **wanted: Any) -> list[str]:
    """The messages of the lines that are found."""
    answer = lines.search(connection, condition or Everything(), FIRST, LAST, seconds=60, **wanted)
    return [line["message"] for line in answer["lines"]]
