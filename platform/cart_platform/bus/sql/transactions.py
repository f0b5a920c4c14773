"""Transactions in one thread of their own, so that the event loop never waits for a disk.

Whatever waits when the thread is free goes together in one transaction.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from cart_platform.bus.sql.file import DATABASE_ERRORS, close_file, driver, explain, file_url, open_file
from cart_platform.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Step(Generic[Item, Answer]):
    """Work of one kind, done for all its items in a transaction at once; `work` answers for each in order.

    Steps of lower `rank` come first. `durable`: what it did is on the disk before it is answered; without, a power cut
    (not the end of the process) may undo it, never only a part of it.
    """

    work: Callable[[Connection, Sequence[Item]], Sequence[Answer]]
    rank: int = 0
    writes: bool = True
    durable: bool = False


@dataclass(slots=True, eq=False)
class _Task:
    step: Step[Any, Any]
    item: Any
    answer: asyncio.Future[Any]
    then: Callable[[Any], None] | None

    def resolve(self, answer: Any) -> None:
        """Give the answer to who waits for it, unless he was cancelled."""
        failed = isinstance(answer, Exception)
        if self.then is not None and not failed:
            self.then(answer)
        if not self.answer.done():
            (self.answer.set_exception if failed else self.answer.set_result)(answer)


class Transactions:
    """Runs steps on the file of a URL; `url` raises UsageError when it names no file."""

    def __init__(self, url: str) -> None:
        self._url = file_url(url)
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None
        self._waiting: list[_Task] = []
        self._turn: asyncio.Task[None] | None = None
        self._synchronous = ""

    @property
    def is_open(self) -> bool:
        """Whether steps can be run."""
        return self._thread is not None

    async def open(self) -> None:
        """Open the file; raises CartscopeError when it cannot be used."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="bus")
        try:
            self._connection = await asyncio.get_running_loop().run_in_executor(thread, open_file, self._url)
        except DATABASE_ERRORS as error:
            raise explain(error, self._url) from error
        finally:
            if self._connection is None:
                thread.shutdown(wait=False)
        self._synchronous = ""
        self._thread = thread

    async def close(self) -> None:
        """Run what waits, then close the file; may be called twice, or on what never opened."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._turn is not None:
            await asyncio.wait({self._turn})
        connection, self._connection = self._connection, None
        assert connection is not None
        await asyncio.get_running_loop().run_in_executor(thread, close_file, connection)
        thread.shutdown()

    async def run(self, step: Step[Item, Answer], item: Item, then: Callable[[Answer], None] | None = None) -> Answer:
        """Run a step in the next transaction; cancelling the caller does not stop it, and `then` gets its answer still.

        Raises:
            Unavailable: when the file is closed, or does not take the transaction at present.
            CartscopeError: when trying again cannot help.
        """
        if self._thread is None:
            raise Unavailable(f"the bus {self._url.database} is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(_Task(step, item, answer, then))
        if self._turn is None:
            # A task begins in the loop's next round: what others submit in this round still joins the group.
            self._turn = loop.create_task(self._run(self._thread), name="bus transactions")
        return await answer

    async def _run(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            answers = await loop.run_in_executor(thread, self._answers, group)
            for task, answer in zip(group, answers, strict=True):
                task.resolve(answer)
        self._turn = None

    def _answers(self, group: Sequence[_Task]) -> Sequence[Any]:
        try:
            return self._commit(group)
        except Exception as error:  # noqa: BLE001  whoever waits for the step gets it
            if len(group) == 1:
                return [explain(error, self._url) if isinstance(error, DATABASE_ERRORS) else error]
        # One that fails must not take the others with it.
        return [answer for task in group for answer in self._answers([task])]

    def _commit(self, group: Sequence[_Task]) -> Sequence[Any]:
        answers: dict[_Task, Any] = {}
        with self._transaction({task.step for task in group}) as connection:
            for step in sorted({task.step for task in group}, key=lambda step: step.rank):
                tasks = [task for task in group if task.step is step]
                answers.update(zip(tasks, step.work(connection, [task.item for task in tasks]), strict=True))
        return [answers[task] for task in group]

    @contextmanager
    def _transaction(self, steps: set[Step[Any, Any]]) -> Iterator[Connection]:
        connection = self._connection
        assert connection is not None
        synchronous = "FULL" if any(step.durable for step in steps) else "NORMAL"
        if synchronous != self._synchronous:
            driver(connection).execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        connection.info["writes"] = any(step.writes for step in steps)
        with connection.begin():
            yield connection
