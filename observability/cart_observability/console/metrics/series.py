"""What is kept of a series, and how: a counter or a gauge as a number, a histogram as one value of many parts.

A histogram's sum and buckets come and go together; kept as one value it is one row in place of twenty.
"""

import json
import sqlite3
import struct
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

Parts = Sequence[float]
"""A value: of a counter or gauge its number; of a histogram its sum, then the count up to each bound."""
Stored = float | bytes
Where = Mapping[str, str | Collection[str]]
"""Labels and the value, or one of the values, that they have."""

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
CUMULATIVE: Final = frozenset({COUNTER, HISTOGRAM})
UP: Final = "up"
"""The series that each process has: 1 where it was scraped, 0 where that failed."""
PROCESS: Final = "process"
"""The label by which processes are told apart, beside those of their series."""
GONE: Final = b""
"""In place of a value: the process shows this series no longer."""
_SMALL: Final = 1 << 32

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS metrics (
    name TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, about TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
    -- Never given twice: who records keeps ids in memory while old series are pruned.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    process TEXT NOT NULL,
    labels TEXT NOT NULL,
    bounds TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- What was counted in lives of the process before this one.
    base REAL NOT NULL,
    seen INTEGER NOT NULL,
    UNIQUE (name, process, labels, bounds)
);
CREATE TABLE IF NOT EXISTS samples (
    tier INTEGER NOT NULL, slot INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (tier, slot, series, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exemplars (
    slot INTEGER NOT NULL, series INTEGER NOT NULL, time INTEGER NOT NULL,
    value REAL NOT NULL, trace_id TEXT NOT NULL, span_id TEXT,
    PRIMARY KEY (slot, series, time)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS condensed (tier INTEGER NOT NULL PRIMARY KEY, until INTEGER NOT NULL);
"""


def packed(parts: Parts) -> Stored:
    """A value as it is stored."""
    if len(parts) == 1:
        return float(parts[0])
    width = "I" if parts[-1] < _SMALL else "Q"
    return width.encode() + struct.pack(f"<d{len(parts) - 1}{width}", parts[0], *map(int, parts[1:]))


def unpacked(stored: Stored) -> Parts:
    """The value that was stored; empty for one that is gone."""
    if isinstance(stored, float):
        return (stored,)
    if not stored:
        return ()
    width = "I" if stored[:1] == b"I" else "Q"
    return struct.unpack_from(f"<d{(len(stored) - 9) // struct.calcsize(width)}{width}", stored, 1)


class Series(NamedTuple):
    """One series; `part` is which part of a histogram is asked for: `count`, `sum`, or None for the whole."""

    id: int
    process: str
    labels: Mapping[str, str]
    bounds: tuple[float, ...]
    kind: str
    seen: int
    part: str | None = None

    def label(self, name: str) -> str:
        """The value of a label, empty without it; `process` is the process where no label is called so."""
        return self.labels.get(name, self.process if name == PROCESS else "")

    def group(self, by: Sequence[str]) -> str:
        """The values of these labels in one."""
        return " ".join(filter(None, map(self.label, by)))

    def number(self, stored: Stored) -> float | None:
        """The one number that is asked for, of a value as it is stored; None for one that is gone."""
        if isinstance(stored, float):
            return stored
        return unpacked(stored)[0 if self.part == "sum" else -1] if stored else None


def selected(connection: sqlite3.Connection, name: str, where: Where) -> list[Series]:
    """The series of a metric whose labels have these values, or one of several.

    A histogram goes by its own name, or by that of a part: its `_count` or `_sum`.
    """
    if found := _named(connection, name, where, None):
        return found
    stem, _, part = name.rpartition("_")
    if part not in {"count", "sum"}:
        return []
    return [series for series in _named(connection, stem, where, part) if series.kind == HISTOGRAM]


def _named(connection: sqlite3.Connection, name: str, where: Where, part: str | None) -> list[Series]:
    rows = connection.execute("SELECT id, process, labels, bounds, kind, seen FROM series WHERE name = ?", (name,))
    every = (
        Series(id_, process, labels_of(labels), bounds_of(bounds), kind, seen, part)
        for id_, process, labels, bounds, kind, seen in rows
    )
    wanted = [(label, (value,) if isinstance(value, str) else value) for label, value in where.items()]
    return [series for series in every if all(series.label(label) in one_of for label, one_of in wanted)]


@lru_cache(maxsize=8192)
def labels_of(text: str) -> Mapping[str, str]:
    """The labels that a series was recorded with."""
    labels: dict[str, str] = json.loads(text)
    return labels


@lru_cache(maxsize=256)
def bounds_of(text: str) -> tuple[float, ...]:
    """The upper bounds of a histogram's buckets; empty for what is none."""
    return tuple(map(float, text.split())) if text else ()
