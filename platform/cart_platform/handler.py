"""What a handler is: an async function of an event and a unit of work; it knows no broker, no store, no metrics."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from cart_platform.events import Event, follow_up_id, now

LARGEST_AMOUNT = 2**53
"""Redis keeps the totals of projections as 64-bit floats, which are exact up to here (IEEE 754)."""

DONE = "done"
DEAD_LETTERED = "dead_lettered"


class Reject(Exception):  # noqa: N818  a verdict on the event, not a malfunction
    """The event can never be handled: it goes to the dead letters at once, without another attempt.

    `reason` is a snake_case word from the handler's own fixed set, fit for a label.
    """

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a handler reports back about one event, committed with the effect and published on the results exchange.

    `outcome` is `done` or `dead_lettered`; `data` what the handler returned, or the reason of the dead letter.
    """

    event_id: str
    event_type: str
    handler: str
    outcome: str
    time: datetime
    data: Mapping[str, Any] = {}
    replyto: str | None = None


@dataclass(slots=True)
class UnitOfWork:
    """The changes that one handler makes for one event; the store commits them once, together with the result.

    `headers` is the trace context that follow-up events inherit. `read` gives the committed total of a projection's
    key; between concurrent workers only `add` is safe, because sums do not depend on the order of their terms.
    """

    event: Event
    handler: str
    read: Callable[[str, str], Awaitable[int]]
    headers: Mapping[str, str] = field(default_factory=dict)
    additions: list[tuple[str, str, int]] = field(default_factory=list)
    emitted: list[Event] = field(default_factory=list)
    result: Result | None = None

    def add(self, projection: str, key: str, amount: int) -> None:
        """Add to the total that a projection keeps for a key.

        Raises ValueError beyond 2^53, up to which every store counts exactly.
        """
        if abs(amount) > LARGEST_AMOUNT:
            raise ValueError(f"{amount} is too much to add to {projection}/{key} at once")
        self.additions.append((projection, key, amount))

    def emit(self, event_type: str, data: Any) -> Event:
        """Emit a follow-up event about the same subject; its id is the same whenever this event is handled again."""
        follow_up = Event(
            id=follow_up_id(self.event.id, self.handler, len(self.emitted)),
            source=f"/cartscope/handlers/{self.handler}",
            type=event_type,
            time=now(),
            data=data,
            subject=self.event.subject or self.event.id,
            traceparent=self.headers.get("traceparent"),
            tracestate=self.headers.get("tracestate"),
            causationid=self.event.id,
        )
        self.emitted.append(follow_up)
        return follow_up

    def finish(self, data: Mapping[str, Any] | None) -> None:
        """Note what the handler returned; the unit is ready to be committed."""
        self.result = Result(self.event.id, self.event.type, self.handler, DONE, now(), data or {}, self.event.replyto)


Handle = Callable[[Event, UnitOfWork], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A row of the table of handlers.

    `slots` is how many batches one worker process has in work at the same time. A handler that only computes gains from
    two (one computes while the other waits for the store); one that waits for something outside takes one event a slot,
    and gains from more. `acts_outside` marks handlers whose effect is not in the store (an e-mail): each event is
    claimed before they start, so that two workers do not act on it at once.
    """

    name: str
    reacts_to: frozenset[str]
    handle: Handle
    slots: int = 1
    acts_outside: bool = False

    @property
    def queue(self) -> str:
        """The queue on which its events arrive."""
        return queue_name(self.name)


def queue_name(handler: str) -> str:
    """The queue of the handler with this name."""
    return f"cart.{handler}"


def service_name(*handlers: str) -> str:
    """The `service.name` of a worker that runs these handlers."""
    return "-".join(("cartscope-worker", *handlers))


def reacting(handlers: Iterable[Handler], event_type: str) -> tuple[str, ...]:
    """The names of the handlers that react to an event type."""
    return tuple(handler.name for handler in handlers if event_type in handler.reacts_to)
