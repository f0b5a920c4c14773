"""Replays of dead letters, and what became of the events since: known by the store, which keeps every result."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cart_platform.errors import CartscopeError
from cart_platform.handler import DEAD_LETTERED, DONE, Result
from cart_platform.store import Store

KEPT = 20
"""Replays that are remembered."""

ASKED = 200
"""Events that the store is asked for at a time."""


class Letter(NamedTuple):
    """A dead letter that was replayed; without an event id it was no event that could be read."""

    id: str
    handler: str
    event_id: str | None
    event_type: str | None


@dataclass(slots=True)
class Replay:
    """One replay: when (seconds since the epoch), of how many, some of them, and the outcomes that are known by id."""

    time: float
    count: int
    letters: Sequence[Letter]
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> Sequence[Letter]:
        """Those whose outcome is not known yet and can be."""
        return [letter for letter in self.letters if letter.event_id and letter.id not in self.outcomes]

    def take(self, letter: Letter, result: Result | None) -> None:
        """Note a result, if it came about by this replay or settles it: what is done is done for good."""
        if result is None:
            return
        if result.outcome == DONE or (result.outcome == DEAD_LETTERED and result.time.timestamp() >= self.time):
            self.outcomes[letter.id] = result.outcome

    def told(self) -> Mapping[str, Any]:
        """As the page is told of it; `outcome` is None for what is under way, or no event."""
        letters = [{**letter._asdict(), "outcome": self.outcomes.get(letter.id)} for letter in self.letters]
        return {"time": self.time * 1e3, "count": self.count, "letters": letters}


class Replays:
    """The replays of late, newest first; those of this process alone."""

    def __init__(self) -> None:
        self._replays: deque[Replay] = deque(maxlen=KEPT)

    def remember(self, began: float, count: int, letters: Sequence[Letter]) -> None:
        """A replay of `count` dead letters began at this time (seconds since the epoch); some of them are known."""
        self._replays.appendleft(Replay(began, count, letters))

    async def told(self, store: Callable[[], Awaitable[Store]]) -> Sequence[Mapping[str, Any]]:
        """All of them, with the outcomes that the store knows by now; without news while it cannot be asked."""
        replays = list(self._replays)
        with suppress(CartscopeError):
            await self._look(store, replays)
        return [replay.told() for replay in replays]

    @staticmethod
    async def _look(store: Callable[[], Awaitable[Store]], replays: Sequence[Replay]) -> None:
        open_ones = [(replay, letter) for replay in replays for letter in replay.open]
        for replay, letter in open_ones[:ASKED]:
            recorded = await (await store()).event(letter.event_id or "")
            replay.take(letter, recorded.results.get(letter.handler) if recorded else None)
