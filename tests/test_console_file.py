"""The console's file: what is committed when, what is undone, and what is refused."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cart_observability.console.file import Full, SignalFile

SCHEMA = "CREATE TABLE IF NOT EXISTS words (word TEXT NOT NULL UNIQUE);"
SECONDS = 10.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SignalFile]:
    """A file with one table, and room for a weight of 10."""
    file = SignalFile(tmp_path / "signals.db", [SCHEMA], limit=10)
    yield file
    file.close()


def insert(word: str) -> Callable[[sqlite3.Connection], int]:
    """Work that inserts a word."""
    return lambda connection: connection.execute("INSERT INTO words VALUES (?)", (word,)).rowcount


def insert_all(connection: sqlite3.Connection, words: Sequence[str]) -> int:
    """Inserts words, and answers how many came at once."""
    connection.executemany("INSERT INTO words VALUES (?)", [(word,) for word in words])
    return len(words)


def words(file: SignalFile) -> list[str]:
    """What a reader sees."""
    with file.reading() as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY rowid")]


def test_answer(file: SignalFile) -> None:
    """Work that was answered is there for who reads."""
    assert 1 == file.submit(insert("a")).result(SECONDS)
    assert ["a"] == words(file)


def test_failing_work(file: SignalFile) -> None:
    """Work that fails is undone alone, and says why to who submitted it."""
    held = _held(file)
    kept, failing, after = file.submit(insert("a")), file.submit(insert("a")), file.submit(insert("b"))
    held.set()
    assert 1 == kept.result(SECONDS)
    with pytest.raises(sqlite3.IntegrityError):
        failing.result(SECONDS)
    after.result(SECONDS)
    assert ["a", "b"] == words(file)


def test_together(file: SignalFile) -> None:
    """What waits to be recorded in the same way is recorded in one call, in the order in which it came."""
    held = _held(file)
    kept = [file.keep(insert_all, some) for some in (["a", "b"], ["c"], ["d"])]
    held.set()
    assert [4, 4, 4] == [each.result(SECONDS) for each in kept]
    assert ["a", "b", "c", "d"] == words(file)


def test_together_up_to_a_number(file: SignalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is recorded in one call than may be, but for what came at once."""
    monkeypatch.setattr("cart_observability.console.file.MOST_TOGETHER", 2)
    held = _held(file)
    kept = [file.keep(insert_all, some) for some in (["a"], ["b"], ["c", "d", "e"], ["f"])]
    held.set()
    assert [2, 2, 3, 1] == [each.result(SECONDS) for each in kept]


def test_failing_together(file: SignalFile) -> None:
    """Of what is recorded in one call and fails, only that is left out which fails alone, too."""
    held = _held(file)
    before, failing, after = (file.keep(insert_all, some) for some in (["a"], ["b", "a"], ["c"]))
    held.set()
    assert [1, 1] == [before.result(SECONDS), after.result(SECONDS)]
    with pytest.raises(sqlite3.IntegrityError):
        failing.result(SECONDS)
    assert ["a", "c"] == words(file)


def test_full(file: SignalFile) -> None:
    """What there is no room for is refused, and room comes back when the rest is written."""
    held = _held(file)
    waiting = file.submit(insert("a"), weight=9)
    with pytest.raises(Full):
        file.submit(insert("b"), weight=9)
    held.set()
    waiting.result(SECONDS)
    file.submit(insert("b"), weight=9).result(SECONDS)
    assert ["a", "b"] == words(file)


def test_cancelled(file: SignalFile) -> None:
    """Work whose submitter no longer wants it is left out, and the writer goes on."""
    held = _held(file)
    assert file.submit(insert("a")).cancel()
    held.set()
    file.submit(insert("b")).result(SECONDS)
    assert ["b"] == words(file)


def test_close(tmp_path: Path) -> None:
    """Closing writes what waits; a file that is opened again has it, and takes no more once closed."""
    file = SignalFile(tmp_path / "signals.db", [SCHEMA])
    file.submit(insert("a"))
    file.close()
    file.close()
    with pytest.raises(Full):
        file.submit(insert("b"))
    again = SignalFile(tmp_path / "signals.db", [SCHEMA])
    assert ["a"] == words(again)
    again.close()


def test_readers_cannot_write(file: SignalFile) -> None:
    """A reader's connection changes nothing."""
    with file.reading() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("INSERT INTO words VALUES ('a')")


def test_unusable(tmp_path: Path) -> None:
    """A file that is no database is said to be none, with what to do."""
    (tmp_path / "signals.db").write_text("not a database, but long enough to be taken for one" * 50)
    with pytest.raises(OSError, match="remove it, or choose another"):
        SignalFile(tmp_path / "signals.db", [SCHEMA])


def _held(file: SignalFile) -> threading.Event:
    """Keeps the writer busy until the event is set; it has begun when this returns."""
    begun, held = threading.Event(), threading.Event()

    def hold(_connection: sqlite3.Connection) -> None:
        begun.set()
        held.wait(SECONDS)

    file.submit(hold, weight=1)
    assert begun.wait(SECONDS)
    return held
