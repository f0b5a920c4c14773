"""Rows that are written many at a time."""

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from cart_observability.console import bulk

ROWS = st.lists(st.tuples(st.integers(0, 50), st.none() | st.text(max_size=5), st.binary(max_size=5)), max_size=40)
TIMES = st.integers(1, 40)


@given(ROWS, TIMES)
def test_as_one_by_one(rows: list[tuple[int, str | None, bytes]], times: int) -> None:
    """However many they are, and whatever is to happen with what is there already: it is as if they came one by one."""
    again = "ON CONFLICT DO UPDATE SET word = coalesce(excluded.word, word), blob = excluded.blob"
    together, one_by_one = (sqlite3.connect(":memory:") for _ in range(2))
    for connection in (together, one_by_one):
        connection.execute("CREATE TABLE words (number INTEGER PRIMARY KEY, word TEXT, blob BLOB)")
    bulk.insert(together, "INSERT INTO words", rows * times, again)
    one_by_one.executemany(f"INSERT INTO words VALUES (?, ?, ?) {again}", rows * times)
    assert list(one_by_one.execute("SELECT * FROM words")) == list(together.execute("SELECT * FROM words"))
    together.close()
    one_by_one.close()
