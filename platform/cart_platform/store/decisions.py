"""What a batch of commands on one cart brings about. Pure but for the ids and times of the events it makes.

A store reads a cart together with what it remembers of the batch's idempotency keys, calls `decide`, and writes the
decision only if the cart still has the version that was read; if it has not, it reads and decides again. The cart must
not be read later than the keys: a key that another process remembers comes with a new version of its cart, and only in
that order does the version tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from cart_platform.cart import Cart, CartEvent, Command, Refused, check_identifier
from cart_platform.events import Event, decode_structured, encode_structured, new_id, now
from cart_platform.store import Execution, IdempotencyKeyReused, Origin

SOURCE = "/cartscope/carts"
"""The CloudEvents source of cart events."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it waits for its commit; made by `ask`. `fingerprint` is empty without an idempotency key."""

    command: Command
    origin: Origin
    key: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an idempotency key stands for: the fingerprint of its command, and its event as structured JSON."""

    fingerprint: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """An event to append, with its structured JSON; with the key to remember it by, if its command brought one."""

    event: Event
    body: bytes
    asked: Asked


@dataclass(slots=True)
class Decision:
    """What becomes of one cart: `cart` after all commands, the events that lead there from version `version`.

    `answers` has one entry for each command, in order: an Execution, Refused or IdempotencyKeyReused.
    """

    cart: Cart
    version: int
    appended: list[Appended] = field(default_factory=list)
    answers: list[Execution | Exception] = field(default_factory=list)


def ask(command: Command, origin: Origin, key: str | None) -> Asked:
    """Make a command ready for its batch.

    Raises:
        Refused: with `invalid_identifier`, when the cart's name cannot be one: such a name finds no shard.
    """
    check_identifier(command.cart, "cart")
    return Asked(command, origin, key, _fingerprint(command) if key is not None else "")


def by_cart(batch: Sequence[Asked]) -> dict[str, list[int]]:
    """The positions in the batch of each cart's commands, in order."""
    positions: dict[str, list[int]] = {}
    for position, asked in enumerate(batch):
        positions.setdefault(asked.command.cart, []).append(position)
    return positions


def decide(cart: Cart, batch: Sequence[Asked], remembered: Mapping[str, Remembered]) -> Decision:
    """Decide commands on one cart in order, each on the cart that the ones before it left.

    `remembered` maps idempotency keys to what the store knows of them. A command whose key is known is answered by the
    event of that key (or refused if it was another command's) and changes nothing; refusals are not remembered.
    """
    decision = Decision(cart, cart.version)
    known = dict(remembered)
    for asked in batch:
        decision.answers.append(_repeat(asked, known) or _execute(asked, decision, known))
    return decision


def _repeat(asked: Asked, known: Mapping[str, Remembered]) -> Execution | Exception | None:
    earlier = known.get(asked.key) if asked.key is not None else None
    if earlier is None:
        return None
    if earlier.fingerprint != asked.fingerprint:
        return IdempotencyKeyReused(
            f"the idempotency key {asked.key!r} stands for another command on cart {asked.command.cart}: "
            "take a new key for each new command"
        )
    return Execution(decode_structured(earlier.body), repeated=True)


def _execute(asked: Asked, decision: Decision, known: dict[str, Remembered]) -> Execution | Exception:
    try:
        change = decision.cart.decide(asked.command)
    except Refused as refused:
        return refused
    decision.cart = decision.cart.apply(change)
    event = _event(change, asked.origin)
    body = encode_structured(event)
    decision.appended.append(Appended(event, body, asked))
    if asked.key is not None:
        known[asked.key] = Remembered(asked.fingerprint, body)
    return Execution(event)


def _event(change: CartEvent, origin: Origin) -> Event:
    return Event(
        id=new_id(),
        source=SOURCE,
        type=change.type,
        time=now(),
        data=msgspec.to_builtins(change),
        subject=change.cart,
        traceparent=origin.headers.get("traceparent"),
        tracestate=origin.headers.get("tracestate"),
        replyto=origin.replyto,
    )


def _fingerprint(command: Command) -> str:
    return blake2b(msgspec.json.encode((command.name, command)), digest_size=16).hexdigest()
