"""The one SQLite file that keeps what the console was told: one thread writes, any number read."""

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

Answer = TypeVar("Answer")
Work = Callable[[sqlite3.Connection], Answer]

LIMIT: Final = 100_000
"""Weight (spans, lines, samples) that may wait for the writer: some seconds of the most that is meant to come."""
WRITER_CACHE_KIBIBYTES: Final = 8_192
READER_CACHE_KIBIBYTES: Final = 2_048
CHECKPOINT_PAGES: Final = 4_000
BUSY_SECONDS: Final = 5.0


class Full(Exception):  # noqa: N818  a state of the file, which its callers count
    """More waits for the writer than there is room for."""


class SignalFile:
    """A SQLite file, from its construction until `close`.

    What is submitted runs on the writer's thread, in one transaction with all else that waits: the more comes, the less
    each costs. A process that is killed loses nothing that was answered.

    Args:
        path: Of the file; made if absent. Its folder must be there.
        schemas: Statements that make what is not there yet.
        limit: Weight that may wait.
        cache: KiB that the writer keeps of the file in memory.

    Raises:
        OSError: The file cannot be used.
    """

    def __init__(
        self, path: Path, schemas: Sequence[str], limit: int = LIMIT, cache: int = WRITER_CACHE_KIBIBYTES
    ) -> None:
        self.path = path
        self._limit = limit
        self._waiting: deque[tuple[Work[Any], int, Future[Any]]] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._closed = False
        self._readers: list[sqlite3.Connection] = []
        self._idle_readers: list[sqlite3.Connection] = []
        try:
            self._writer = _writer(path, cache)
            for schema in schemas:
                self._writer.executescript(schema)
        except sqlite3.Error as error:
            raise OSError(f"cannot keep signals in {path} ({error}): remove it, or choose another folder") from error
        self._thread = threading.Thread(target=self._write, name="console writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Weight that waits for the writer."""
        return self._weight

    @property
    def size(self) -> int:
        """Bytes of the file and of what is beside it."""
        return sum(
            beside.stat().st_size
            for suffix in ("", "-wal")
            if (beside := self.path.with_name(self.path.name + suffix)).exists()
        )

    def submit(self, work: Work[Answer], weight: int = 1) -> "Future[Answer]":
        """Have work done on the writer's connection, in a transaction; its answer is there when that is committed.

        Work that raises is undone alone, and its future raises the same.

        Raises:
            Full: as much waits as may.
        """
        future: Future[Answer] = Future()
        with self._changed:
            if self._closed or (self._weight and self._weight + weight > self._limit):
                raise Full
            self._waiting.append((work, weight, future))
            self._weight += weight
            self._changed.notify()
        return future

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that can only read, for one thread at a time; it sees what was committed before each query."""
        with self._changed:
            connection = self._idle_readers.pop() if self._idle_readers else None
        if connection is None:
            connection = _reader(self.path)
            with self._changed:
                self._readers.append(connection)
        try:
            yield connection
        finally:
            with self._changed:
                self._idle_readers.append(connection)

    def close(self) -> None:
        """Write what waits, and let go of the file. May be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for connection in (*self._readers, self._writer):
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _write(self) -> None:
        while batch := self._batch():
            self._run(batch)
            with self._changed:
                self._weight -= sum(weight for _, weight, _ in batch)

    def _batch(self) -> list[tuple[Work[Any], int, Future[Any]]]:
        """All that waits, as soon as anything does; nothing once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = list(self._waiting)
            self._waiting.clear()
            return batch

    def _run(self, batch: Sequence[tuple[Work[Any], int, "Future[Any]"]]) -> None:
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for work, _, future in batch:
                # Taken up: from here on its submitter can no longer cancel it.
                if future.set_running_or_notify_cancel():
                    answers.append((future, *self._attempt(work)))
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk, most likely: nothing of the batch stands, and everyone who waits for it is told.
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            answers = [(future, None, error) for _, _, future in batch if future.running()]
        for future, answer, failure in answers:
            if failure is None:
                future.set_result(answer)
            else:
                future.set_exception(failure)

    def _attempt(self, work: Work[Any]) -> tuple[Any, BaseException | None]:
        self._writer.execute("SAVEPOINT work")
        try:
            answer = work(self._writer)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the submitter's to handle
            self._writer.execute("ROLLBACK TO work")
            self._writer.execute("RELEASE work")
            return None, error
        self._writer.execute("RELEASE work")
        return answer, None


def _writer(path: Path, cache: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # What was committed survives a killed process; a machine that loses power may lose the last moments.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{cache}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Some builds overwrite what is deleted: twice the work of pruning, for data that are in log files beside it.
    connection.execute("PRAGMA secure_delete = OFF")
    return connection


def _reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_SECONDS,
    )
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIBIBYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
