"""Commands on carts in Redis: one round trip reads what a batch needs, one writes what it brings about."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cart_platform.cart import Cart
from cart_platform.errors import Overloaded, Unavailable
from cart_platform.store import Execution, shard_of
from cart_platform.store.decisions import Appended, Asked, Decision, Remembered, by_cart, decide
from cart_platform.store.redis.client import Command, RedisClient
from cart_platform.store.redis.keys import ShardKeys

ATTEMPTS = 10
"""How often a cart that other processes keep changing is read and decided anew."""

Answers = Sequence[Execution | Exception]
Batch = Mapping[str, Sequence[Asked]]
"""The commands on each cart, in order."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Cart)


def encode_cart(cart: Cart) -> str:
    """A cart as it is stored: its version, by which a script tells whether it changed, before the document."""
    return f"{cart.version} {_encoder.encode(cart).decode()}"


def decode_cart(stored: bytes) -> Cart:
    """The inverse of `encode_cart`."""
    return _decoder.decode(stored.partition(b" ")[2])


class CartCommands:
    """Executes batches of commands; `retention` is for how many milliseconds idempotency keys are remembered."""

    def __init__(self, client: RedisClient, keys: Sequence[ShardKeys], retention: int) -> None:
        self._client = client
        self._keys = keys
        self._retention = retention

    async def execute(self, batch: Sequence[Asked]) -> list[Execution | Exception]:
        """What becomes of each command; those of one cart share their fate, for each was decided on the one before."""
        answers = [_contended(asked) for asked in batch]
        waiting = by_cart(batch)
        for _ in range(ATTEMPTS):
            settled = await self._attempt({cart: [batch[at] for at in places] for cart, places in waiting.items()})
            for cart, given in settled.items():
                for place, answer in zip(waiting.pop(cart), given, strict=True):
                    answers[place] = answer
            if not waiting:
                break
        return answers

    async def _attempt(self, batch: Batch) -> dict[str, Answers]:
        """The answers of those carts that nobody else changed between reading and writing."""
        try:
            decisions = await self._decide(batch)
        except Unavailable as unavailable:
            return {cart: [unavailable] * len(asked) for cart, asked in batch.items()}
        written = await self._write({keys: [one for one in made if one.appended] for keys, made in decisions.items()})
        return {
            decision.cart.id: outcome if isinstance(outcome, list) else decision.answers
            for made in decisions.values()
            for decision in made
            if (outcome := written.get(decision.cart.id, True))
        }

    async def _decide(self, batch: Batch) -> dict[ShardKeys, list[Decision]]:
        shards: dict[ShardKeys, dict[str, Sequence[Asked]]] = {}
        for cart, asked in batch.items():
            shards.setdefault(self._keys[shard_of(cart, len(self._keys))], {})[cart] = asked
        found = await self._client.ask([self._read_call(keys, carts) for keys, carts in shards.items()])
        return {keys: _decide(carts, stored) for (keys, carts), stored in zip(shards.items(), found, strict=True)}

    async def _write(self, decisions: Mapping[ShardKeys, Sequence[Decision]]) -> dict[str, bool | list[Exception]]:
        """By cart: whether it was still as it was read, or Unavailable for each of its commands."""
        changed = {keys: made for keys, made in decisions.items() if made}
        try:
            outcomes = await self._client.ask_each([self._append_call(keys, made) for keys, made in changed.items()])
        except Unavailable as unavailable:
            outcomes = [unavailable] * len(changed)
        return {
            decision.cart.id: [outcome] * len(decision.answers) if isinstance(outcome, Unavailable) else outcome[place]
            for made, outcome in zip(changed.values(), outcomes, strict=True)
            for place, decision in enumerate(made)
        }

    def _read_call(self, keys: ShardKeys, carts: Batch) -> Command:
        names = [keys.log, *map(keys.cart, carts)]
        names += (keys.idempotency(cart, key) for cart, key in _idempotency_keys(carts))
        return self._client.script("read", names, (len(carts),))

    def _append_call(self, keys: ShardKeys, decisions: Sequence[Decision]) -> Command:
        names = [keys.log, keys.outbox, keys.counts]
        for decision in decisions:
            names.append(keys.cart(decision.cart.id))
            for appended in decision.appended:
                event, key = keys.event(appended.event.id), appended.asked.key
                names += (event, event if key is None else keys.idempotency(decision.cart.id, key))
        # As text throughout: MessagePack's binary type is unknown to Redis.
        carts = [(one.version, encode_cart(one.cart), [_row(row) for row in one.appended]) for one in decisions]
        return self._client.script("append", names, (self._retention, msgspec.msgpack.encode(carts)))


def _row(appended: Appended) -> tuple[str, str, str, str]:
    return appended.event.id, appended.event.type, appended.body.decode(), appended.asked.fingerprint


def _idempotency_keys(carts: Batch) -> list[tuple[str, str]]:
    return [
        (cart, key)
        for cart, commands in carts.items()
        for key in dict.fromkeys(asked.key for asked in commands)
        if key is not None
    ]


def _decide(carts: Batch, found: Sequence[Any]) -> list[Decision]:
    """`found` is what the script `read` gives: the carts, then what is remembered of their idempotency keys."""
    remembered: dict[str, dict[str, Remembered]] = {}
    for (cart, key), memory in zip(_idempotency_keys(carts), found[len(carts) :], strict=True):
        if memory is not None:
            remembered.setdefault(cart, {})[key] = Remembered(memory[0].decode(), memory[1])
    return [
        decide(decode_cart(stored) if stored else Cart(cart), asked, remembered.get(cart, {}))
        for (cart, asked), stored in zip(carts.items(), found, strict=False)
    ]


def _contended(asked: Asked) -> Execution | Exception:
    return Overloaded(f"cart {asked.command.cart} is being changed by too many at once: try again later")
