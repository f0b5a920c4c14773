"""Group commit: what arrives while one commit is under way goes together in the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from cart_platform.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_Waiting = tuple[Item, asyncio.Future[Answer]]


class GroupCommit(Generic[Item, Answer]):
    """Gathers items of concurrent submitters into batches, with one flush under way at a time.

    `flush` is given a batch and answers for each item in order, by an answer or by the exception that its submitter
    gets; when it raises, every submitter of the batch gets that. A batch is what has arrived, `batch` items at most:
    nothing waits for one to fill. `limit` bounds the items that wait for a flush.
    """

    def __init__(
        self, flush: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]], limit: int, batch: int
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._batch = batch
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take items from here on; needs a running event loop."""
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="group commit")

    async def close(self) -> None:
        """Let the flush under way end and turn away who still waits; may be called twice, or on what never started."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task = None

    async def submit(self, item: Item) -> Answer:
        """The answer to the item, once its batch is flushed.

        A submitter that is cancelled takes its item along if no flush has taken it yet.

        Raises:
            Overloaded: when `limit` items wait already.
            Unavailable: when it is closed, or not started.
        """
        if self._task is None or self._closing:
            raise Unavailable("the store is closed: it takes no more work")
        if len(self._waiting) >= self._limit:
            raise Overloaded(f"{self._limit:,} items wait to be committed already: try again later")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        try:
            while not self._closing:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting and not self._closing:
                    await self._flush_batch(self._take())
        finally:
            self._closing = True
            _fail(self._waiting, Unavailable("the store was closed before this was committed"))
            self._waiting.clear()

    def _take(self) -> list[_Waiting[Item, Answer]]:
        count = min(self._batch, len(self._waiting))
        taken = (self._waiting.popleft() for _ in range(count))
        return [(item, answer) for item, answer in taken if not answer.done()]

    async def _flush_batch(self, taken: list[_Waiting[Item, Answer]]) -> None:
        if not taken:
            return
        try:
            answers = await self._flush([item for item, _ in taken])
            answered = list(zip(taken, answers, strict=True))
        except Exception as error:  # noqa: BLE001  whatever it is, the submitters get it and the next batch goes on
            _fail(taken, error)
        except BaseException:
            _fail(taken, Unavailable("the process stopped during the commit: whether it took place is not known"))
            raise
        else:
            for (_, future), answer in answered:
                _resolve(future, answer)


def _resolve(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    # The submitter may have been cancelled meanwhile; its item is committed all the same.
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _fail(taken: Iterable[_Waiting[Item, Answer]], error: Exception) -> None:
    for _, future in taken:
        _resolve(future, error)
