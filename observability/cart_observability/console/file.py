"""The one SQLite file that keeps what the console was told: one thread writes, any number read."""

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

Answer = TypeVar("Answer")
Item = TypeVar("Item")
Work = Callable[[sqlite3.Connection], Answer]
Record = Callable[[sqlite3.Connection, Sequence[Item]], object]

LIMIT: Final = 100_000
"""Weight (spans, lines, samples) that may wait for the writer: some seconds of the most that is meant to come."""
MOST_TOGETHER: Final = 2_048
"""Items that are recorded in one call, unless they came together: who records may look at some ten others for each."""
WRITER_CACHE_KIBIBYTES: Final = 8_192
READER_CACHE_KIBIBYTES: Final = 2_048
CHECKPOINT_PAGES: Final = 4_000
BUSY_SECONDS: Final = 5.0


class Full(Exception):  # noqa: N818  a state of the file, which its callers count
    """More waits for the writer than there is room for."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What waits for the writer: items, and what records them together with all others that it is to record."""

    record: Record[Any]
    items: Sequence[Any]
    weight: int
    future: "Future[Any]" = field(default_factory=Future)


_Outcome = tuple[_Task, Any, BaseException | None]
"""Of a task: its answer, or why there is none."""


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
        self._waiting: deque[_Task] = deque()
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
        return self._enqueue(_Task(lambda connection, _: work(connection), (), weight))

    def keep(self, record: Record[Item], items: Sequence[Item]) -> "Future[object]":
        """Have items recorded, in one call with all others that wait for the same: the more, the less each costs.

        Where that raises, they are recorded apart from the others, and their future raises what that raises.

        Raises:
            Full: as much waits as may.
        """
        return self._enqueue(_Task(record, items, len(items)))

    def _enqueue(self, task: _Task) -> "Future[Any]":
        with self._changed:
            if self._closed or (self._weight and self._weight + task.weight > self._limit):
                raise Full
            self._waiting.append(task)
            self._weight += task.weight
            self._changed.notify()
        return task.future

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
                self._weight -= sum(task.weight for task in batch)

    def _batch(self) -> list[_Task]:
        """All that waits, as soon as anything does; nothing once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = list(self._waiting)
            self._waiting.clear()
            return batch

    def _run(self, batch: Sequence[_Task]) -> None:
        # Taken up: from here on their submitters can no longer cancel them.
        wanted = [task for task in batch if task.future.set_running_or_notify_cancel()]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [outcome for tasks in _together(wanted) for outcome in self._outcomes(tasks)]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk, most likely: nothing of the batch stands, and everyone who waits for it is told.
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            outcomes = [(task, None, error) for task in wanted]
        for task, answer, failure in outcomes:
            if failure is None:
                task.future.set_result(answer)
            else:
                task.future.set_exception(failure)

    def _outcomes(self, tasks: Sequence[_Task]) -> Iterator[_Outcome]:
        """Of tasks that are done together if that is possible, else of each alone."""
        answer, failure = self._attempt(tasks)
        if failure is not None and len(tasks) > 1:
            for task in tasks:
                yield task, *self._attempt([task])
        else:
            yield from ((task, answer, failure) for task in tasks)

    def _attempt(self, tasks: Sequence[_Task]) -> tuple[Any, BaseException | None]:
        self._writer.execute("SAVEPOINT work")
        try:
            items = list(chain.from_iterable(task.items for task in tasks))
            answer = tasks[0].record(self._writer, items)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the submitter's to handle
            self._writer.execute("ROLLBACK TO work")
            self._writer.execute("RELEASE work")
            return None, error
        self._writer.execute("RELEASE work")
        return answer, None


def _together(tasks: Iterable[_Task]) -> list[list[_Task]]:
    """Tasks in order, those for one and the same to record where the first of them stands."""
    groups: list[list[_Task]] = []
    last: dict[Record[Any], tuple[list[_Task], int]] = {}
    for task in tasks:
        group, items = last.get(task.record, ([], 0))
        if items + len(task.items) > MOST_TOGETHER:
            group, items = [], 0
        if not group:
            groups.append(group)
        group.append(task)
        last[task.record] = group, items + len(task.items)
    return groups


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
