"""The largest totals of a projection that is spread over shards, without reading all of it.

The threshold algorithm: read the head of each shard's ranking and look its keys up in every shard. A key that is in no
head has at most the sum of the heads' last totals; once enough keys have more than that, no other is among the largest.
Source: Fagin, Lotem and Naor, Optimal aggregation algorithms for middleware (2003).
"""

from collections.abc import Sequence

from cart_platform.store.redis.client import Command, RedisClient

SHORTEST_HEAD = 100

Head = dict[bytes, int]


async def top(client: RedisClient, rankings: Sequence[str], limit: int) -> list[tuple[str, int]]:
    """The keys with the largest sums over sorted sets, largest first, names ascending among equals."""
    length = max(SHORTEST_HEAD, 2 * limit)
    while True:
        heads = await _heads(client, rankings, length)
        totals = await _totals(client, rankings, sorted({key for head in heads for key in head}))
        ranked = sorted(totals.items(), key=lambda row: (-row[1], row[0]))[:limit]
        unread = [head for head in heads if len(head) == length]
        if not unread or sum(total > _most_of_others(unread) for _, total in ranked) == limit:
            return ranked
        length *= 4


def _most_of_others(unread: Sequence[Head]) -> int:
    """What a key in no head can have in all; it may be absent from a shard, which counts as nothing."""
    return sum(max(0, min(head.values())) for head in unread)


async def _heads(client: RedisClient, rankings: Sequence[str], length: int) -> list[Head]:
    commands: list[Command] = [("ZRANGE", name, 0, length - 1, "REV", "WITHSCORES") for name in rankings]
    found = await client.ask(commands)
    return [dict(zip(head[::2], map(int, head[1::2]), strict=True)) for head in found]


async def _totals(client: RedisClient, rankings: Sequence[str], keys: Sequence[bytes]) -> dict[str, int]:
    if not keys:
        return {}
    commands: list[Command] = [("ZMSCORE", name, *keys) for name in rankings]
    shards = zip(*await client.ask(commands), strict=True)
    return {key.decode(): sum(int(total or 0) for total in totals) for key, totals in zip(keys, shards, strict=True)}
