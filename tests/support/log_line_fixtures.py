"""A file for log lines, and a measure by which few lines are many."""

import sqlite3
from collections.abc import Iterator

import pytest

from cart_observability.console.logs import line_counts, line_groups, line_index, lines
from support.log_lines import opened


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of 4 lines, blocks of 8 and parts of 16, and all are counted without a look where that may be."""
    monkeypatch.setattr(line_groups, "LINES", 4)
    monkeypatch.setattr(line_groups, "BLOCK", 2)
    monkeypatch.setattr(line_index, "LINES", 16)
    monkeypatch.setattr(line_counts, "FEW", 1)
    monkeypatch.setattr(line_counts, "ALL_BLOCKS", 2)
    monkeypatch.setattr(line_counts, "INDEXED_BLOCKS", 1)
    monkeypatch.setattr(lines, "AHEAD", 4)
    monkeypatch.setattr(lines, "MANY", 3)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """An empty file in memory."""
    connection = opened()
    yield connection
    connection.close()
