"""What this room adds to the console: the dead letters, and what became of those that were replayed."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from structlog.typing import FilteringBoundLogger

from cart_handlers.console_replays import Letter, Replays
from cart_handlers.dead_letters import as_json
from cart_handlers.roles import choose
from cart_observability.console.extension import Link, Page
from cart_platform.bus import Bus, DeadLetter
from cart_platform.console.answering import answering, body_of, limit_of
from cart_platform.console.watched import Watched
from cart_platform.handler import Handler

ASSETS = Path(__file__).parent / "assets"
PAGE = Page("dead-letters", "Dead letters", "/extensions/modules/dead_letters.js")

SHOWN, MOST_SHOWN = 50, 200
"""Dead letters of each handler that a list gives, the oldest."""

LARGEST_BODY = 16_384
"""Bytes or characters of a message that a list gives."""

LONGEST_NAME, LONGEST_HEADER, MOST_HEADERS = 64, 2_000, 100
MOST_CHOSEN = 1_000

REMEMBERED_SECONDS = 1.0
"""For so long a list is good for everyone who asks: RabbitMQ's dead letters can be read by one at a time."""

Shown = Mapping[str, Any]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters are meant: those with these ids, or all (None); of one handler if it is named."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_CHOSEN)] | None
    handler: str | None = None


class Act(NamedTuple):
    """What a person does to dead letters: what the bus does then, and how that is logged."""

    on: Callable[[Bus, str, Sequence[str] | None], Awaitable[int]]
    said: str
    fields: Mapping[str, str]


REPLAY = Act(
    lambda bus, queue, ids: bus.replay(queue, ids),
    "dead letters replayed",
    {"event.action": "dead_letters.replayed"},
)
PURGE = Act(
    lambda bus, queue, ids: bus.purge(queue, ids),
    "dead letters purged",
    {"event.action": "dead_letters.purged", "cartscope.outcome": "purged"},
)


class _List(msgspec.Struct, frozen=True):
    """What was found of each handler, up to a limit and one more, and until when (monotonic seconds) it is good."""

    limit: int
    letters: Mapping[str, Sequence[Shown]]
    until: float


NOTHING = _List(0, {}, 0.0)


class DeadLettersExtension:
    """The dead letters of a chain: an extension of the console.

    Args:
        watched: The chain.
        log: Where it is logged what a person did; by default with what the chain logs.
    """

    def __init__(self, watched: Watched, log: FilteringBoundLogger | None = None) -> None:
        self._watched = watched
        self._log = log or watched.parts.telemetry.log
        self._replays = Replays()
        self._alone = asyncio.Lock()
        self._list = NOTHING
        self.routes: Sequence[BaseRoute] = (
            Route("/api/dead-letters", answering(self.every)),
            Route("/api/dead-letters/replay", answering(self.replay), methods=["POST"]),
            Route("/api/dead-letters/purge", answering(self.purge), methods=["POST"]),
        )
        self.pages: Sequence[Page] = (PAGE,)
        self.assets: Path | None = ASSETS
        self.links: Sequence[Link] = ()

    async def content(self, _event_id: str) -> None:
        """As `Extension.content`: nothing is known here that the event log does not know."""

    async def close(self) -> None:
        """The chain is closed by whoever opened it."""

    async def every(self, request: Request) -> Shown:
        """The oldest dead letters of each handler, which handlers have more, and the replays of late."""
        limit = limit_of(request, SHOWN, MOST_SHOWN)
        async with self._alone:
            found = await self._found(limit)
        return {
            "letters": [letter for letters in found.values() for letter in letters[:limit]],
            "more": [handler for handler, letters in found.items() if len(letters) > limit],
            "replays": await self._replays.told(self._watched.store),
        }

    async def replay(self, request: Request) -> Mapping[str, int]:
        """Deliver dead letters to their handlers again, as a first attempt."""
        wish = await body_of(request, Wish)
        async with self._alone:
            letters = _chosen(await self._found(SHOWN), wish)
            began = time.time()
            replayed = await self._act(REPLAY, wish, letters)
        if replayed:
            self._replays.remember(began, replayed, letters[:SHOWN])
        return {"replayed": replayed}

    async def purge(self, request: Request) -> Mapping[str, int]:
        """Delete dead letters; their events' effects stay missing."""
        wish = await body_of(request, Wish)
        async with self._alone:
            letters = _chosen(await self._found(SHOWN), wish)
            return {"purged": await self._act(PURGE, wish, letters)}

    async def _act(self, act: Act, wish: Wish, letters: Sequence[Letter]) -> int:
        bus = await self._watched.bus()
        self._list = NOTHING
        counts = []
        for handler in self._handlers(wish):
            counts.append(count := await act.on(bus, handler.queue, wish.ids))
            events = [letter.event_id for letter in letters if letter.handler == handler.name and letter.event_id]
            # At once: should the next one fail, this much was done.
            self._tell(act, handler.name, count, events)
        return sum(counts)

    def _tell(self, act: Act, handler: str, count: int, events: Sequence[str]) -> None:
        """Log what was done, if anything was; where that is about one event, it belongs to that one's story."""
        if not count:
            return
        fields: dict[str, Any] = {"cartscope.handler": handler, "cartscope.dead_letters": count, **act.fields}
        if count == len(events) == 1:
            fields["cartscope.event.id"] = events[0]
        self._log.warning(act.said, **fields)

    def _handlers(self, wish: Wish) -> Sequence[Handler]:
        """Those meant; raises UsageError when there is no such handler."""
        return self._watched.handlers if wish.handler is None else choose(self._watched.handlers, [wish.handler])

    async def _found(self, limit: int) -> Mapping[str, Sequence[Shown]]:
        if self._list.limit < limit or time.monotonic() > self._list.until:
            bus = await self._watched.bus()
            letters = {
                handler.name: [_shown(letter, handler) for letter in await bus.dead_letters(handler.queue, limit + 1)]
                for handler in self._watched.handlers
            }
            self._list = _List(limit, letters, time.monotonic() + REMEMBERED_SECONDS)
        return self._list.letters


def _chosen(found: Mapping[str, Sequence[Shown]], wish: Wish) -> Sequence[Letter]:
    """The letters that a wish means, as far as they were found."""
    ids = None if wish.ids is None else set(wish.ids)
    return [
        Letter(letter["id"], handler, letter["event_id"], letter["event_type"])
        for handler, letters in found.items()
        if wish.handler in (None, handler)
        for letter in letters
        if ids is None or letter["id"] in ids
    ]


def _shown(letter: DeadLetter, handler: Handler) -> Shown:
    """A dead letter as scripts read it, with no more of what a stranger sent than a page can take."""
    told = dict(as_json(letter))
    headers = islice(told["headers"].items(), MOST_HEADERS)
    return told | {
        "handler": handler.name,
        "headers": {name[:LONGEST_NAME]: _short(value) for name, value in headers},
        "bytes": len(letter.body),
        **_body(told, letter.body),
    }


def _body(told: Shown, body: bytes) -> Shown:
    if "body" in told:
        return {"body": told["body"][:LARGEST_BODY], "cut": len(told["body"]) > LARGEST_BODY}
    return {"body_base64": base64.b64encode(body[:LARGEST_BODY]).decode(), "cut": len(body) > LARGEST_BODY}


def _short(value: Any) -> Any:
    return value[:LONGEST_HEADER] if isinstance(value, str) else value
