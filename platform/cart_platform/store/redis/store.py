"""The store on Redis: carts, log and outbox of a shard changed by one Lua script, so together or not at all.

What Redis keeps after a crash depends on its settings: see docs/redis.md.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from math import ceil
from time import perf_counter
from typing import Any

from cart_platform.cart import Cart, Command
from cart_platform.errors import CartscopeError
from cart_platform.events import Event, decode_structured
from cart_platform.handler import Result, UnitOfWork
from cart_platform.store import (
    Depth,
    Execution,
    Measure,
    Origin,
    Pending,
    Recorded,
    Standing,
    Totals,
    shard_of,
)
from cart_platform.store.decisions import Asked, ask
from cart_platform.store.group_commit import GroupCommit
from cart_platform.store.redis import ranking
from cart_platform.store.redis.carts import CartCommands, decode_cart
from cart_platform.store.redis.client import Command as RedisCommand
from cart_platform.store.redis.client import RedisClient
from cart_platform.store.redis.keys import LIVE_RELAYS, SHARD_HOLDERS, SHARDS, ShardKeys
from cart_platform.store.redis.units import LARGEST_CALL, Units, batched, decode_results

LARGEST_BATCH = 500
"""Commands that go together, and events of a page of the log."""


class RedisStore:
    """The `Store` of a `redis://` address.

    Args:
        url: With user, password and database where needed.
        shards: Fixed at the first start: it decides where a cart is.
        retention: For how long events, results and idempotency keys are kept.
        limit: Commands that may wait; more are refused as Overloaded.
        measure: Told of each round trip for `execute`, `commit`, `begin`, `pending` and `mark_sent`.
    """

    def __init__(
        self,
        url: str,
        *,
        shards: int = 8,
        retention: timedelta = timedelta(days=7),
        limit: int = 10_000,
        measure: Measure | None = None,
    ) -> None:
        self.shards = shards
        self._retention = max(1, _milliseconds(retention.total_seconds()))
        self._measure = measure or _unmeasured
        self._keys = [ShardKeys(shard) for shard in range(shards)]
        self._commands: GroupCommit[Asked, Execution] = GroupCommit(self._execute, limit, LARGEST_BATCH)
        self._client = RedisClient(url)
        self._carts = CartCommands(self._client, self._keys, self._retention)
        self._units = Units(self._client, self._keys, self._retention)

    async def start(self) -> None:
        """Connect and prepare; raises CartscopeError with one clear line when this Redis cannot be used."""
        try:
            await self._client.open()
            await self._check_shards()
        except BaseException:
            await self.close()
            raise
        self._commands.start()

    async def _check_shards(self) -> None:
        _, stored = await self._client.ask([("SET", SHARDS, self.shards, "NX"), ("GET", SHARDS)])
        if int(stored) != self.shards:
            raise CartscopeError(
                f"the store in Redis at {self._client.address} was made with {int(stored)} shards, not {self.shards}: "
                "its carts would not be found; set the number back"
            )

    async def close(self) -> None:
        """Let the commit under way end, turn away who waits, and disconnect."""
        await self._commands.close()
        await self._client.close()

    async def ping(self) -> None:
        """Return when Redis answers, raise Unavailable when it does not."""
        await self._client.ask([("PING",)])

    async def execute(self, command: Command, origin: Origin, idempotency_key: str | None = None) -> Execution:
        """See `Store.execute`."""
        return await self._commands.submit(ask(command, origin, idempotency_key))

    async def _execute(self, batch: list[Asked]) -> Sequence[Execution | Exception]:
        started = perf_counter()
        answers = await self._carts.execute(batch)
        self._measure("execute", perf_counter() - started, len(batch))
        return answers

    async def cart(self, cart: str) -> Cart | None:
        """See `Store.cart`."""
        [stored] = await self._client.ask([("GET", self._keys[shard_of(cart, self.shards)].cart(cart))])
        return decode_cart(stored) if stored else None

    async def event(self, event_id: str) -> Recorded | None:
        """See `Store.event`. All shards are asked: an id does not tell where its event is."""
        found = await self._client.ask(
            [self._client.script("event", (keys.log, keys.outbox, keys.event(event_id))) for keys in self._keys]
        )
        for body, unsent, fields in filter(None, found):
            results = decode_results(dict(zip(fields[::2], fields[1::2], strict=True)))
            return Recorded(decode_structured(body), results, sent=not unsent)
        return None

    async def pending(self, shards: Sequence[int], limit: int) -> Sequence[Pending]:
        """See `Store.pending`."""
        started = perf_counter()
        share = ceil(limit / max(1, len(shards)))
        keys = [self._keys[shard] for shard in shards]
        found = await self._client.ask(
            [self._client.script("pending", (one.log, one.outbox), (share,)) for one in keys]
        )
        pending = [
            Pending(shard, at.decode(), decode_structured(body))
            for shard, entries in zip(shards, found, strict=True)
            for at, body in zip(entries[::2], entries[1::2], strict=True)
        ]
        self._measure("pending", perf_counter() - started, len(pending))
        return pending

    async def mark_sent(self, pending: Sequence[Pending]) -> None:
        """See `Store.mark_sent`."""
        started = perf_counter()
        shards: dict[int, list[Pending]] = {}
        for one in pending:
            shards.setdefault(one.shard, []).append(one)
        await self._client.ask(
            [self._mark_sent(shard, part) for shard, sent in shards.items() for part in batched(sent, LARGEST_CALL)]
        )
        self._measure("mark_sent", perf_counter() - started, len(pending))

    def _mark_sent(self, shard: int, sent: Sequence[Pending]) -> RedisCommand:
        keys = self._keys[shard]
        names = [keys.outbox, keys.counts, *(keys.event(one.event.id) for one in sent)]
        return self._client.script("mark_sent", names, [self._retention, *(one.position for one in sent)])

    async def depth(self) -> Depth:
        """See `Store.depth`."""
        found = await self._client.ask([self._client.script("depth", (keys.outbox,)) for keys in self._keys])
        return Depth(sum(pending for pending, _ in found), max(age for _, age in found) / 1000)

    async def hold_shards(self, relay: str, lease: float) -> Sequence[int]:
        """See `Store.hold_shards`."""
        arguments = (relay, _milliseconds(lease), self.shards)
        [held] = await self._client.ask([self._client.script("hold_shards", (LIVE_RELAYS, SHARD_HOLDERS), arguments)])
        return sorted(held)

    async def release_shards(self, relay: str) -> None:
        """See `Store.release_shards`."""
        await self._client.ask([self._client.script("release_shards", (LIVE_RELAYS, SHARD_HOLDERS), (relay,))])

    async def begin(
        self, handler: str, events: Sequence[Event], claimant: str | None = None, lease: float = 0.0
    ) -> Sequence[Standing]:
        """See `Store.begin`."""
        started = perf_counter()
        answers = await self._units.begin(handler, events, claimant or "", _milliseconds(lease))
        self._measure("begin", perf_counter() - started, len(events))
        return answers

    async def release(self, handler: str, events: Sequence[Event], claimant: str) -> None:
        """See `Store.release`."""
        await self._units.release(handler, events, claimant)

    async def read(self, projection: str, key: str) -> int:
        """See `Store.read`."""
        found = await self._client.ask([("ZSCORE", keys.projection(projection), key) for keys in self._keys])
        return sum(int(total) for total in found if total is not None)

    async def commit(self, handler: str, units: Sequence[UnitOfWork]) -> Sequence[Result]:
        """See `Store.commit`."""
        started = perf_counter()
        answers = await self._units.commit(handler, units)
        self._measure("commit", perf_counter() - started, len(units))
        return answers

    async def record_dead_letter(self, event: Event, result: Result) -> None:
        """See `Store.record_dead_letter`."""
        await self._units.record_dead_letter(event, result)

    async def top(self, projection: str, limit: int) -> Sequence[tuple[str, int]]:
        """See `Store.top`."""
        return await ranking.top(self._client, [keys.projection(projection) for keys in self._keys], limit)

    async def totals(self) -> Totals:
        """See `Store.totals`."""
        counts: Counter[str] = Counter()
        for fields in await self._client.ask([("HGETALL", keys.counts) for keys in self._keys]):
            counts.update({name.decode(): int(count) for name, count in fields.items()})
        return Totals(_part(counts, "appended:"), counts["sent"], _part(counts, "done:"), _part(counts, "given_up:"))

    async def log(self) -> AsyncIterator[Recorded]:
        """See `Store.log`."""
        for keys in self._keys:
            entries = await self._entries(keys, "-")
            while entries:
                for recorded in await self._recorded(keys, entries):
                    yield recorded
                entries = await self._entries(keys, f"({entries[-1][0].decode()}")

    async def _entries(self, keys: ShardKeys, start: str) -> Any:
        [entries] = await self._client.ask([("XRANGE", keys.log, start, "+", "COUNT", LARGEST_BATCH)])
        return entries

    async def _recorded(self, keys: ShardKeys, entries: Sequence[Any]) -> list[Recorded]:
        """The events of a page of the log. An entry without its hash is forgotten and waits to be trimmed."""
        events = [decode_structured(entry[b"event"]) for _, entry in entries]
        unsent, *hashes = await self._client.ask(
            [
                ("XRANGE", keys.outbox, entries[0][0], entries[-1][0]),
                *(("HGETALL", keys.event(event.id)) for event in events),
            ]
        )
        waiting = {at for at, _ in unsent}
        return [
            Recorded(event, decode_results(fields), sent=at not in waiting)
            for (at, _), event, fields in zip(entries, events, hashes, strict=True)
            if fields
        ]

    async def trim(self) -> int:
        """See `Store.trim`. Keys, claims, done marks and results expire by themselves."""
        return sum(
            await self._client.ask(
                [self._client.script("trim", (keys.log, keys.outbox), (self._retention,)) for keys in self._keys]
            )
        )


def _unmeasured(operation: str, seconds: float, items: int) -> None:
    """Who asks for no measurements gets none."""


def _part(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
