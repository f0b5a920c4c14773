"""The event source: carts, their event log and outbox, and what handlers have done, changed in atomic steps.

`Store` is the contract; `sql.py` and `redis.py` keep it, and one behaviour suite runs against both.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zlib import crc32

from cart_platform.cart import Cart, Command
from cart_platform.events import Event
from cart_platform.handler import Result, UnitOfWork

Measure = Callable[[str, float, int], None]
"""Told (operation, seconds, items) after each round trip or transaction."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command comes from: the trace context its event inherits, and where results are awaited."""

    headers: Mapping[str, str] = field(default_factory=dict)
    replyto: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """The event of a command; `repeated` when the idempotency key had brought it about before."""

    event: Event
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event of the log with the handlers' results so far (done over dead-lettered), and whether it was published."""

    event: Event
    results: Mapping[str, Result]
    sent: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """An unsent event; its shard and `position` name it to `mark_sent`."""

    shard: int
    position: str
    event: Event


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of the outbox is not sent yet: events, and the age of the oldest in seconds (0 when there is none)."""

    pending: int
    oldest_age: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an event before a handler starts on it.

    `result` is set when it was done before; `claimed_for` is how many more seconds another worker holds it (0: free,
    and held by the asker if it asked for a claim).
    """

    result: Result | None = None
    claimed_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the store was made, not lowered by `trim`.

    Events appended (follow-ups too) by type, events taken out of the outbox, and by handler the units committed and the
    events given up (dead-lettered and not done since).
    """

    appended: Mapping[str, int]
    sent: int
    done: Mapping[str, int]
    given_up: Mapping[str, int]


class IdempotencyKeyReused(Exception):  # noqa: N818  what the client did
    """The idempotency key was used before for another command on the same cart."""


class Store(Protocol):
    """Carts, events and effects. Every method raises `Unavailable` when the server behind it does not answer.

    Events of one cart live in one shard (`shard_of`), and only within a shard is a change atomic.
    """

    shards: int

    async def start(self) -> None:
        """Connect and prepare; raises CartscopeError with one clear line when this store cannot be used."""

    async def close(self) -> None:
        """Let go of the server; may be called twice, or on what never started."""

    async def ping(self) -> None:
        """Return when the store answers, raise Unavailable when it does not."""

    async def execute(self, command: Command, origin: Origin, idempotency_key: str | None = None) -> Execution:
        """Change the cart and append the event, both or neither.

        The same key for the same command gives the same event again. Commands that arrive while a commit is under way
        are committed together in the next one.

        Raises:
            Refused: by the cart's rules; nothing is changed.
            IdempotencyKeyReused: the key belongs to another command on this cart.
            Overloaded: more commands wait than the store is willing to hold.
        """

    async def cart(self, cart: str) -> Cart | None:
        """The cart as it is, None if no event made it yet."""

    async def event(self, event_id: str) -> Recorded | None:
        """An event of the log with its results, None if there is none (any more)."""

    async def pending(self, shards: Sequence[int], limit: int) -> Sequence[Pending]:
        """The oldest unsent events of some shards, about `limit` together, each shard's in order of appending."""

    async def mark_sent(self, pending: Sequence[Pending]) -> None:
        """Take events out of the outbox; only after the bus has confirmed them. One round trip or transaction."""

    async def depth(self) -> Depth:
        """How much of the outbox is not sent yet, over all shards."""

    async def hold_shards(self, relay: str, lease: float) -> Sequence[int]:
        """Hold a fair share of the shards for `lease` more seconds, and say which.

        Each shard is held by one relay at most; those of a relay that stopped renewing are free when its lease is over.
        A relay that holds more than its share, because others came, gives some back.
        """

    async def release_shards(self, relay: str) -> None:
        """Give all shards back at once."""

    async def begin(
        self, handler: str, events: Sequence[Event], claimant: str | None = None, lease: float = 0.0
    ) -> Sequence[Standing]:
        """What is known of each event, in order; a claimant gets the free ones claimed for `lease` seconds."""

    async def release(self, handler: str, events: Sequence[Event], claimant: str) -> None:
        """Give claims back, so that another attempt need not wait for their lease."""

    async def read(self, projection: str, key: str) -> int:
        """The committed total of a projection's key, over all shards; 0 if there is none."""

    async def commit(self, handler: str, units: Sequence[UnitOfWork]) -> Sequence[Result]:
        """Commit finished units: additions, follow-up events and result, once per (handler, event id).

        Gives for each unit the result that stands: its own, or the one of an earlier commit, in which case nothing of
        this unit was applied (`standing is not unit.result`). A claim on the event ends.
        """

    async def record_dead_letter(self, event: Event, result: Result) -> None:
        """Keep the result of an event that was given up; a later `commit` for the same event overrides it."""

    async def top(self, projection: str, limit: int) -> Sequence[tuple[str, int]]:
        """The keys with the largest totals, largest first, names ascending among equals."""

    async def totals(self) -> Totals:
        """Counts since the store was made."""

    def log(self) -> AsyncIterator[Recorded]:
        """All events that are kept, each with its results; in order of appending within a shard."""

    async def trim(self) -> int:
        """Forget events, results and idempotency keys older than the retention, behind what is sent.

        Gives how many events were forgotten.
        """


def shard_of(cart: str, shards: int) -> int:
    """The shard of a cart: the same in every process and release (CRC-32 of its name)."""
    return crc32(cart.encode()) % shards


def home_of(event: Event, shards: int) -> int:
    """The shard where the effects of an event live: its cart's; an event without a subject goes by its id."""
    return shard_of(event.subject or event.id, shards)
