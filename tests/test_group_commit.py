"""Group commit: batches of what arrived, one at a time, and nobody's failure is another's."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_platform.errors import Overloaded, Unavailable
from cart_platform.store.group_commit import GroupCommit
from support.polling import eventually


class Flush:
    """A flush that answers ten times the item, and waits for `gate` before it does."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: set[int] = set()
        self.breaking: set[int] = set()

    async def __call__(self, batch: list[int]) -> Sequence[int | Exception]:
        """Answers for the batch."""
        self.batches.append(batch)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            if self.breaking & set(batch):
                raise Unavailable("the disk is gone")
            return [ValueError(item) if item in self.failing else item * 10 for item in batch]
        finally:
            self.under_way -= 1


@pytest.fixture
def flush() -> Flush:
    """A flush whose gate is open."""
    return Flush()


@pytest.fixture
async def group(flush: Flush) -> AsyncIterator[GroupCommit[int, int]]:
    """A started group commit of 4 items a batch, 10 waiting."""
    group = GroupCommit(flush, limit=10, batch=4)
    group.start()
    yield group
    flush.gate.set()
    await group.close()


async def submitted(group: GroupCommit[int, int], flush: Flush, items: Sequence[int]) -> list[asyncio.Future[int]]:
    """The first item is being flushed behind the closed gate, the others wait."""
    flush.gate.clear()
    first = asyncio.ensure_future(group.submit(items[0]))
    await eventually(lambda: bool(flush.under_way))
    others = [asyncio.ensure_future(group.submit(item)) for item in items[1:]]
    await asyncio.wait(others, timeout=0)
    return [first, *others]


async def outcomes(futures: Sequence[asyncio.Future[int]]) -> list[int | type[BaseException]]:
    """Answers, and types of errors."""
    answers = await asyncio.gather(*futures, return_exceptions=True)
    return [type(answer) if isinstance(answer, BaseException) else answer for answer in answers]


async def test_what_arrives_meanwhile_is_the_next_batch(group: GroupCommit[int, int], flush: Flush) -> None:
    """The first item goes at once and alone; those that come during its flush go together, in order."""
    futures = await submitted(group, flush, range(8))
    flush.gate.set()
    assert [item * 10 for item in range(8)] == await outcomes(futures)
    assert [[0], [1, 2, 3, 4], [5, 6, 7]] == flush.batches
    assert 1 == flush.most_under_way


async def test_an_item_fails_alone(group: GroupCommit[int, int], flush: Flush) -> None:
    """The exception that a flush answers with reaches its own submitter only."""
    flush.failing = {2}
    futures = await submitted(group, flush, range(4))
    flush.gate.set()
    assert [0, 10, ValueError, 30] == await outcomes(futures)


async def test_a_failed_flush_fails_its_batch(group: GroupCommit[int, int], flush: Flush) -> None:
    """When a flush raises, its batch gets that, and the next batch is flushed as ever."""
    flush.breaking = {3}
    futures = await submitted(group, flush, range(8))
    flush.gate.set()
    assert [0, *[Unavailable] * 4, 50, 60, 70] == await outcomes(futures)


async def test_a_flush_that_answers_for_too_few_fails() -> None:
    """Nobody waits for ever for an answer that a flush forgot."""

    async def forgetful(batch: list[int]) -> Sequence[int]:
        return batch[1:]

    group = GroupCommit(forgetful, limit=10, batch=4)
    group.start()
    assert [ValueError] * 2 == await outcomes([asyncio.ensure_future(group.submit(item)) for item in range(2)])
    await group.close()


async def test_more_than_the_limit_is_overload(group: GroupCommit[int, int], flush: Flush) -> None:
    """Items beyond the limit are turned away at once; when the queue is shorter again, items are taken again."""
    futures = await submitted(group, flush, range(12))
    assert [Overloaded] == await outcomes([future for future in futures if future.done()])
    flush.gate.set()
    assert [*(item * 10 for item in range(11)), Overloaded] == await outcomes(futures)
    assert 120 == await group.submit(12)


async def test_who_leaves_while_waiting_takes_the_item_along(group: GroupCommit[int, int], flush: Flush) -> None:
    """The item of a submitter that was cancelled before its flush is not committed, the others' are."""
    futures = await submitted(group, flush, range(4))
    futures[2].cancel()
    await asyncio.wait([futures[2]])
    flush.gate.set()
    assert [0, 10, asyncio.CancelledError, 30] == await outcomes(futures)
    assert [[0], [1, 3]] == flush.batches


async def test_who_leaves_during_the_flush_disturbs_nobody(group: GroupCommit[int, int], flush: Flush) -> None:
    """A submitter that is cancelled during its flush leaves the flush and the next batches alone."""
    futures = await submitted(group, flush, range(3))
    futures[0].cancel()
    flush.gate.set()
    assert [asyncio.CancelledError, 10, 20] == await outcomes(futures)


async def test_a_batch_of_which_all_left_is_not_flushed(group: GroupCommit[int, int], flush: Flush) -> None:
    """Nothing is flushed for nobody."""
    futures = await submitted(group, flush, range(3))
    for future in futures[1:]:
        future.cancel()
    await asyncio.wait(futures[1:])
    flush.gate.set()
    await outcomes(futures)
    assert 50 == await group.submit(5)
    assert [[0], [5]] == flush.batches


async def test_close_finishes_the_flush_and_turns_away_the_rest(group: GroupCommit[int, int], flush: Flush) -> None:
    """Closing waits for the flush under way; who still waits gets Unavailable, and so does who comes later."""
    futures = await submitted(group, flush, range(3))
    closing = asyncio.ensure_future(group.close())
    await asyncio.wait([closing], timeout=0)
    assert not closing.done()
    flush.gate.set()
    await closing
    assert [0, Unavailable, Unavailable] == await outcomes(futures)
    with pytest.raises(Unavailable):
        await group.submit(4)
    await group.close()


async def test_close_needs_no_start(flush: Flush) -> None:
    """What never started can be closed, and takes nothing."""
    group = GroupCommit(flush, limit=10, batch=4)
    await group.close()
    with pytest.raises(Unavailable):
        await group.submit(1)


async def test_it_can_be_started_again(group: GroupCommit[int, int]) -> None:
    """A closed one that is started again works as before."""
    await group.close()
    group.start()
    assert 10 == await group.submit(1)


async def test_nobody_hangs_when_the_loop_ends(group: GroupCommit[int, int], flush: Flush) -> None:
    """When the process is stopped during a flush, its submitters learn that the outcome is not known."""
    futures = await submitted(group, flush, range(3))
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == "group commit"]
    task.cancel()
    assert [Unavailable] * 3 == await outcomes(futures)


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.integers(0, 9), max_size=40), limit=st.integers(40, 50), batch=st.integers(1, 50))
async def test_everybody_gets_the_answer_to_their_item(items: list[int], limit: int, batch: int) -> None:
    """However items fall into batches, each is flushed once and answered by its own answer."""
    flush = Flush()
    flush.failing = {7}
    group = GroupCommit(flush, limit, batch)
    group.start()
    answers = await outcomes([asyncio.ensure_future(group.submit(item)) for item in items])
    await group.close()
    assert [ValueError if item == 7 else item * 10 for item in items] == answers
    assert items == [item for flushed in flush.batches for item in flushed]
    assert all(len(flushed) <= batch for flushed in flush.batches)
