"""What charts mark: faults that were switched on, and processes that started, failed or stopped, as log lines tell it.

Kept apart from the lines: they are few, and charts may go farther back than lines are kept.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cart_observability.console.metrics.tiers import MILLISECOND, SECOND
from cart_observability.console.records import Line

__all__ = ("SCHEMA", "between", "note", "oldest", "prune", "prune_before")

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS marks (
    time INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, ended INTEGER NOT NULL,
    PRIMARY KEY (time, kind, text, ended)
) WITHOUT ROWID;
"""

TOGETHER: Final = 5 * SECOND
"""The same told again within this time is one mark: each process tells of a fault when it takes notice of it."""
MOST: Final = 500
LONGEST: Final = 200
"""Characters of a text: who writes lines decides how long it is."""
FAULT: Final = "fault"
PROCESS: Final = "process"

_KINDS: Final = {
    "fault.injected": (FAULT, False),
    "fault.ended": (FAULT, True),
    "process.started": (PROCESS, False),
    "process.failed": (PROCESS, True),
    "process.stopped": (PROCESS, True),
}


def note(connection: sqlite3.Connection, lines: Iterable[Line]) -> None:
    """Keep what lines tell that charts mark; to be called with all lines that are recorded."""
    rows = [
        (line.time, kind, _text(line), ended)
        for line in lines
        if line.action in _KINDS
        for kind, ended in [_KINDS[line.action]]
    ]
    if rows:
        connection.executemany("INSERT OR IGNORE INTO marks (time, kind, text, ended) VALUES (?, ?, ?, ?)", rows)


def between(connection: sqlite3.Connection, start: int, end: int) -> list[dict[str, Any]]:
    """The marks of a range of time (ns since the epoch), oldest first, in JSON; the newest of them if they are many."""
    rows = connection.execute(
        "SELECT time, kind, text, ended FROM marks WHERE time >= ? AND time < ? ORDER BY time DESC LIMIT ?",
        (start, end, MOST),
    ).fetchall()
    return [
        {"time": time / MILLISECOND, "kind": kind, "text": text, "ended": bool(ended)}
        for time, kind, text, ended in _once(reversed(rows))
    ]


def oldest(connection: sqlite3.Connection) -> int | None:
    """The time of the oldest mark; None without marks."""
    (time,) = connection.execute("SELECT min(time) FROM marks").fetchone()
    return None if time is None else int(time)


def prune(connection: sqlite3.Connection, rows: int) -> int:
    """Forget about so many of the oldest marks; the number forgotten."""
    return prune_before(connection, (1 << 63) - 1, rows)


def prune_before(connection: sqlite3.Connection, time: int, rows: int) -> int:
    """Forget about so many of the marks from before a time; the number forgotten."""
    last = connection.execute(
        "SELECT max(time) FROM (SELECT time FROM marks WHERE time < ? ORDER BY time LIMIT ?)", (time, rows)
    ).fetchone()
    return connection.execute("DELETE FROM marks WHERE time <= ?", last).rowcount


def _text(line: Line) -> str:
    if line.action in {"fault.injected", "fault.ended"}:
        named = (line.fields.get("cartscope.fault", line.message), line.fields.get("cartscope.handler"))
        return " ".join(str(name) for name in named if name)[:LONGEST]
    assert line.action is not None
    return f"{line.service} {line.action.rpartition('.')[2]}"[:LONGEST]


def _once(rows: Iterable[tuple[int, str, str, int]]) -> Iterator[tuple[int, str, str, int]]:
    """What several processes tell of at about the same time, once; what ends and begins again is no repetition."""
    last: dict[tuple[str, str], tuple[int, int]] = {}
    for time, kind, text, ended in rows:
        before, had_ended = last.get((kind, text), (time - TOGETHER - 1, ended))
        if had_ended != ended or time - before > TOGETHER:
            yield time, kind, text, ended
        last[kind, text] = (time, ended)
