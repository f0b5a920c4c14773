"""How much a console works that shares its process with what it watches."""

import asyncio

import pytest

from cart_observability.console.pace import (
    LEAST_SHARE,
    OWN_SHARE,
    SAMPLE_SECONDS,
    SAMPLES,
    SHARE,
    WATCHED_SHARE,
    Moment,
    Pace,
)
from support.polling import eventually


class Soon:
    """A stop to be wished for, until which time passes quickly."""

    wished = False

    async def pause(self, _seconds: float) -> None:
        """Let others have their turn."""
        await asyncio.sleep(0)


def moments(late: float = 0.0, others: float = 0.0) -> list[Moment]:
    """What is seen of a process whose event loop is late each time, and that takes a share of a processor."""
    step = SAMPLE_SECONDS + late
    return [Moment(number * step, number * step * others) for number in range(SAMPLES + 1)]


@pytest.mark.parametrize("seen", [moments(late=0.05), moments(others=0.9)], ids=["late", "much to do"])
def test_the_pace_of_a_guest(seen: list[Moment]) -> None:
    """A console that is a guest in a busy process works little, more while somebody looks on; in its own it hurries."""
    guest, owner = Pace(is_guest=True), Pace(is_guest=False)
    assert [SHARE, OWN_SHARE] == [guest.share, owner.share]
    for pace in (guest, owner):
        pace._moments.extend(seen)
    assert [LEAST_SHARE, OWN_SHARE] == [guest.share, owner.share]
    assert 0.2 > owner.rest(1.0)
    assert 2.97 == pytest.approx(guest.rest(0.03))
    guest.is_watched = lambda: True
    assert WATCHED_SHARE == guest.share
    guest._moments.extend(moments(late=0.001, others=0.3))
    assert SHARE == guest.share


def test_an_event_loop_that_is_late_now_and_then() -> None:
    """A process is not called busy for what held it up for less than half of the time."""
    pace = Pace(is_guest=True)
    pace._moments.extend(moments(late=0.05)[: SAMPLES // 2])
    start = pace._moments[-1].time
    pace._moments.extend(Moment(start + SAMPLE_SECONDS * number, 0.0) for number in range(1, SAMPLES // 2 + 2))
    assert SHARE == pace.share


async def test_what_a_guest_does_itself() -> None:
    """What the part that is paced works is not counted as work of the process it is a guest of."""
    pace = Pace(is_guest=True)
    stop = Soon()
    watching = asyncio.create_task(pace.watch(stop))
    await eventually(lambda: len(pace._moments) > 1)
    before = pace._moments[-1].others
    pace.rest(1_000.0)
    await eventually(lambda: pace._moments[-1].others < before - 900)
    stop.wished = True
    await watching
