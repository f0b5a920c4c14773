"""The index of log lines: by each term the ids of the lines that have it.

It is made of parts, one for so many lines: a part goes when the last of its lines is removed, so that nothing is ever
taken out of an index. Lines that are removed before that are no longer found, because their times are gone. The lines
of the usual level are apart from the others: of an index the size of an answer can be had without a look at its lines.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Final

from cart_observability.console import bulk
from cart_observability.console.logs import line_groups
from cart_observability.console.logs.counted import Tally
from cart_observability.console.logs.line_groups import Reach
from cart_observability.console.logs.terms import TOKENIZER, Index
from cart_observability.console.logs.vocabulary import Vocabulary
from cart_observability.console.records import Line

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS line_parts (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS line_heads (head TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS line_values (head TEXT PRIMARY KEY, terms TEXT NOT NULL) WITHOUT ROWID;
"""

LINES: Final = 1 << 18
"""Whose terms are in one part; a multiple of what is in a group."""
USUAL_LEVEL: Final = "info"
USUAL: Final = "usual"
OTHER: Final = "other"
"""The two indices of a part: of the lines of the usual level, and of those of any other."""


def add(connection: sqlite3.Connection, first: int, lines: Sequence[Line]) -> None:
    """Take up some lines; the first has this id, the others follow."""
    known = vocabulary(connection)
    index = Index(known)
    while lines:
        part, place = divmod(first, LINES)
        here = lines[: LINES - place]
        _make(connection, part)
        rows: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
        for id_, line in enumerate(here, first):
            rows[line[1] == USUAL_LEVEL].append((id_, index.terms(line)))
        for kind, is_usual in ((USUAL, True), (OTHER, False)):
            bulk.insert(connection, f"INSERT INTO {_name(part, kind)}(rowid, line)", rows[is_usual])
        first, lines = first + len(here), lines[len(here) :]
    for head in known.changed:
        connection.execute("INSERT OR IGNORE INTO line_heads VALUES (?)", (head,))
        if head in known.few:
            connection.execute("INSERT OR REPLACE INTO line_values VALUES (?, ?)", (head, " ".join(known.few[head])))
        else:
            connection.execute("DELETE FROM line_values WHERE head = ?", (head,))


def vocabulary(connection: sqlite3.Connection) -> Vocabulary:
    """The fields that were seen, and the terms of those that have few."""
    heads = [head for (head,) in connection.execute("SELECT head FROM line_heads")]
    few = connection.execute("SELECT head, terms FROM line_values")
    return Vocabulary(heads, {head: terms.split(" ") for head, terms in few})


def parts(connection: sqlite3.Connection) -> list[int]:
    """The numbers of the parts, newest first."""
    return [part for (part,) in connection.execute("SELECT number FROM line_parts ORDER BY number DESC")]


def parts_of(connection: sqlite3.Connection, reach: Reach) -> list[int]:
    """The numbers of the parts in reach, newest first."""
    return [part for part in parts(connection) if reach.first // LINES <= part <= reach.last // LINES]


def ids(connection: sqlite3.Connection, part: int, expression: str, reach: Reach) -> Iterator[int]:
    """The lines of a part that have an expression, newest first."""
    found = (
        connection.execute(_asked(part, kind, "found.rowid", "ORDER BY found.rowid DESC"), (expression, *reach))
        for kind in (USUAL, OTHER)
    )
    return (id_ for (id_,) in merge(*found, reverse=True))


def tally(connection: sqlite3.Connection, part: int, kind: str, expression: str, reach: Reach, width: int) -> Tally:
    """How many lines have an expression, by level and the start of a time.

    Args:
        connection: Any.
        part: Where to look.
        kind: `USUAL` or `OTHER`.
        expression: Of terms.
        reach: Where to look within the part.
        width: From one time to the next, in ns; the times are multiples of it.
    """
    asked = _asked(part, kind, "lines.time / ? * ?, lines.level, count(*)", "GROUP BY 1, 2")
    found = connection.execute(asked, (width, width, expression, *reach))
    return Counter({(start, level): lines for start, level, lines in found})


def count(connection: sqlite3.Connection, part: int, expression: str, first: int, last: int, limit: int = LINES) -> int:
    """How many lines of the usual level have an expression, from one id to another, all there; looks at none.

    With a limit, counting ends there.
    """
    name = _name(part, USUAL)
    found = f"SELECT 1 FROM {name} WHERE {name} MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"  # noqa: S608  a name made of a number
    (lines,) = connection.execute(f"SELECT count(*) FROM ({found})", (expression, first, last, limit)).fetchone()  # noqa: S608  as above
    return int(lines)


def prune(connection: sqlite3.Connection) -> None:
    """Remove the parts none of whose lines is there."""
    for part in parts(connection):
        if not line_groups.has_any(connection, part * LINES, (part + 1) * LINES - 1):
            for kind in (USUAL, OTHER):
                connection.execute(f"DROP TABLE {_name(part, kind)}")
            connection.execute("DELETE FROM line_parts WHERE number = ?", (part,))


def _make(connection: sqlite3.Connection, part: int) -> None:
    if connection.execute("SELECT 1 FROM line_parts WHERE number = ?", (part,)).fetchone():
        return
    connection.execute("INSERT INTO line_parts VALUES (?)", (part,))
    tokenizer = TOKENIZER.replace('"', '""')
    for kind in (USUAL, OTHER):
        connection.execute(
            f"CREATE VIRTUAL TABLE {_name(part, kind)} USING fts5"
            # Which lines have a term is all that is asked: not where in them, not how long they are, not their texts.
            f"(line, content='', columnsize=0, detail=none, tokenize=\"{tokenizer}\")"
        )


def _name(part: int, kind: str) -> str:
    return f"line_terms_{part}_{kind}"


def _asked(part: int, kind: str, what: str, ending: str) -> str:
    name = _name(part, kind)
    # Crossed, so that lines are looked up by what was found and never the other way round.
    return (
        f"SELECT {what} FROM {name} AS found CROSS JOIN lines ON lines.id = found.rowid"  # noqa: S608  a name made of a number
        f" WHERE found.{name} MATCH ? AND found.rowid BETWEEN ? AND ? AND lines.time >= ? AND lines.time < ? {ending}"
    )
