"""Dead letters for a person: what was given up, why, and what to do with it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cart_handlers.roles import choose
from cart_platform.bus import Bus, DeadLetter
from cart_platform.errors import UsageError
from cart_platform.handler import Handler


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of some handlers."""

    bus: Bus
    handlers: Sequence[Handler]

    @classmethod
    def of(cls, bus: Bus, handlers: Sequence[Handler], names: Sequence[str]) -> "DeadLetters":
        """Those of the handlers with these names, of all handlers without names; raises UsageError for a wrong one."""
        return cls(bus, choose(handlers, names) if names else handlers)

    async def all(self, limit: int | None = None) -> list[DeadLetter]:
        """All of them, oldest first for each handler, at most `limit` of each."""
        return [letter for handler in self.handlers for letter in await self.bus.dead_letters(handler.queue, limit)]

    async def find(self, letter_id: str) -> DeadLetter:
        """The dead letter with this id, or of the event with this id; raises UsageError when there is none."""
        return matching(await self.all(), letter_id)[0]

    async def replay(self, ids: Sequence[str] | None) -> int:
        """Deliver them to their handlers again; None: all. An event's id means all of its letters. Gives how many."""
        return sum([await self.bus.replay(handler.queue, chosen) for handler, chosen in await self._chosen(ids)])

    async def purge(self, ids: Sequence[str] | None) -> int:
        """Delete them; None: all. An event's id means all of its letters. Gives how many."""
        return sum([await self.bus.purge(handler.queue, chosen) for handler, chosen in await self._chosen(ids)])

    async def _chosen(self, ids: Sequence[str] | None) -> list[tuple[Handler, Sequence[str] | None]]:
        if ids is None:
            return [(handler, None) for handler in self.handlers]
        kept = await self.all()
        letters = [letter for letter_id in ids for letter in matching(kept, letter_id)]
        of_queue = {handler.queue: handler for handler in self.handlers}
        return [
            (of_queue[queue], list(dict.fromkeys(letter.id for letter in letters if letter.queue == queue)))
            for queue in dict.fromkeys(letter.queue for letter in letters)
        ]


def matching(letters: Sequence[DeadLetter], letter_id: str) -> list[DeadLetter]:
    """Those with this id, or of the event with this id; raises UsageError when there is none."""
    found = [letter for letter in letters if letter_id in (letter.id, letter.event_id)]
    if not found:
        raise UsageError(f"no dead letter {letter_id}: cartscope dead-letters list shows those there are")
    return found


def as_json(letter: DeadLetter) -> Mapping[str, Any]:
    """A dead letter as a script reads it; a body that is not UTF-8 is given in base64."""
    try:
        body = {"body": letter.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(letter.body).decode()}
    return {
        "id": letter.id,
        "queue": letter.queue,
        "reason": letter.reason,
        "time": letter.time,
        "attempts": letter.attempts,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "routing_key": letter.routing_key,
        "content_type": letter.content_type,
        "headers": {name: value if _is_plain(value) else repr(value) for name, value in letter.headers.items()},
        "failures": [
            {
                "attempt": failure.attempt,
                "time": failure.time,
                "error": failure.error,
                "traceback": failure.traceback,
            }
            for failure in letter.failures
        ],
        **body,
    }


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def as_line(letter: DeadLetter) -> str:
    """A dead letter in one line."""
    last = letter.failures[-1].error if letter.failures else ""
    return (
        f"{letter.id}  {letter.queue}  {letter.event_type or 'unreadable'}  {letter.reason}  "
        f"after {letter.attempts} attempts  {letter.time}  {last}"
    )


def as_text(letter: DeadLetter) -> str:
    """A dead letter with its history, headers and bytes."""
    lines = [as_line(letter), ""]
    for failure in letter.failures:
        lines += [f"attempt {failure.attempt} at {failure.time}: {failure.error}", failure.traceback.rstrip(), ""]
    lines += [f"{name}: {value!r}" for name, value in letter.headers.items()]
    return "\n".join([*lines, "", letter.body.decode("utf-8", "backslashreplace")])
