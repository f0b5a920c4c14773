"""Units of work in Redis: claims before, commits after, one script call a shard and batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from cart_platform.events import Event, encode_structured
from cart_platform.handler import Result, UnitOfWork
from cart_platform.store import Standing, home_of
from cart_platform.store.redis.client import Command, RedisClient
from cart_platform.store.redis.keys import ShardKeys

LARGEST_CALL = 500
"""Events that one script call takes: Redis serves nobody else meanwhile, for some milliseconds."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)


Item = TypeVar("Item")


def batched(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in parts of `size` at most."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def decode_results(fields: Mapping[bytes, bytes]) -> dict[str, Result]:
    """The results kept with an event, by handler: done over dead-lettered."""
    return {
        name.removeprefix(outcome).decode(): _decoder.decode(stored)
        for outcome in (b"dead:", b"done:")
        for name, stored in fields.items()
        if name.startswith(outcome)
    }


class Units:
    """Claims and commits units of work; `retention` is for how many milliseconds results are kept."""

    def __init__(self, client: RedisClient, keys: Sequence[ShardKeys], retention: int) -> None:
        self._client = client
        self._keys = keys
        self._retention = retention

    async def begin(self, handler: str, events: Sequence[Event], claimant: str, lease: int) -> list[Standing]:
        """What is known of each event; `lease` in milliseconds, an empty claimant claims nothing."""

        def call(keys: ShardKeys, places: Sequence[int]) -> Command:
            ids = [events[place].id for place in places]
            names = [name for id_ in ids for name in (keys.event(id_), keys.claim(handler, id_))]
            return self._client.script("begin", names, (handler, claimant, lease))

        return [_standing(known) for known in await self._ask(events, call)]

    async def release(self, handler: str, events: Sequence[Event], claimant: str) -> None:
        """Give the claimant's claims back."""
        calls = [
            self._client.script("release", [keys.claim(handler, events[place].id) for place in places], (claimant,))
            for keys, places in self._parts(events)
        ]
        await self._client.ask(calls)

    async def commit(self, handler: str, units: Sequence[UnitOfWork]) -> list[Result]:
        """The result that stands for each unit, its own or an earlier one."""
        results = [_encoder.encode(unit.result) for unit in units]

        def call(keys: ShardKeys, places: Sequence[int]) -> Command:
            part = [(units[place], results[place]) for place in places]
            return self._commit_call(keys, handler, part)

        earlier = await self._ask([unit.event for unit in units], call)
        return [_standing_result(*row) for row in zip(units, results, earlier, strict=True)]

    async def record_dead_letter(self, event: Event, result: Result) -> None:
        """Keep the result of an event that was given up."""
        keys = self._keys[home_of(event, len(self._keys))]
        arguments = (result.handler, _encoder.encode(result), self._retention)
        await self._client.ask([self._client.script("dead_letter", (keys.counts, keys.event(event.id)), arguments)])

    def _commit_call(self, keys: ShardKeys, handler: str, units: Sequence[tuple[UnitOfWork, bytes]]) -> Command:
        names = [keys.log, keys.outbox, keys.counts]
        rows = []
        for unit, result in units:
            names += (keys.event(unit.event.id), keys.claim(handler, unit.event.id))
            names += (keys.projection(projection) for projection, _, _ in unit.additions)
            names += (keys.event(event.id) for event in unit.emitted)
            additions = [(key, amount) for _, key, amount in unit.additions]
            follow_ups = [(event.id, event.type, encode_structured(event).decode()) for event in unit.emitted]
            # As text throughout: MessagePack's binary type is unknown to Redis.
            rows.append((result.decode(), additions, follow_ups))
        return self._client.script("commit", names, (handler, self._retention, msgspec.msgpack.encode(rows)))

    async def _ask(self, events: Sequence[Event], call: Callable[[ShardKeys, Sequence[int]], Command]) -> list[Any]:
        """The answers to the events, in order, of the calls that are made for the events at certain places."""
        parts = self._parts(events)
        answers: list[Any] = [None] * len(events)
        for (_, places), given in zip(parts, await self._client.ask([call(*part) for part in parts]), strict=True):
            for place, answer in zip(places, given, strict=True):
                answers[place] = answer
        return answers

    def _parts(self, events: Sequence[Event]) -> list[tuple[ShardKeys, Sequence[int]]]:
        """The places of the events of each shard, in parts of what one call takes."""
        shards: dict[int, list[int]] = {}
        for place, event in enumerate(events):
            shards.setdefault(home_of(event, len(self._keys)), []).append(place)
        return [(self._keys[shard], part) for shard, places in shards.items() for part in batched(places, LARGEST_CALL)]


def _standing(known: bytes | int) -> Standing:
    return Standing(claimed_for=known / 1000) if isinstance(known, int) else Standing(_decoder.decode(known))


def _standing_result(unit: UnitOfWork, result: bytes, earlier: bytes | None) -> Result:
    """A commit whose answer was lost finds its own result when it is sent again."""
    if unit.result is not None and earlier in (None, result):
        return unit.result
    return _decoder.decode(earlier or result)
