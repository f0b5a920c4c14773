"""What a store carries: commands from concurrent submitters, units in batches, the outbox to a relay.

    python benchmarks/store.py sqlite:///bench.db redis://127.0.0.1:6400/0 [--commands 20000] [--rounds 3]

The first URL is the baseline of the last column. Rounds take turns between the stores and the best counts: the machine
is shared. Use stores made for this: the carts and events stay in them.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cart_platform.cart import AddItem
from cart_platform.events import Event
from cart_platform.handler import UnitOfWork
from cart_platform.store import Origin, Store
from cart_platform.store.redis import RedisStore
from cart_platform.store.sql import SqlStore

STORES: dict[str, Callable[[str], Store]] = {"sqlite": SqlStore, "redis": RedisStore}
PRODUCTS = 169
"""Different products in groceries.csv."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is done, by how many at once, in batches of how many."""

    commands: int
    submitters: int
    batch: int


async def execute(store: Store, load: Load) -> Sequence[Event]:
    """Every submitter fills carts with five products each, one command after the other; gives the events by age."""
    run = f"{time.time_ns():x}"
    origin = Origin({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})

    async def submit(submitter: int) -> list[Event]:
        accepted = []
        for number in range(load.commands // load.submitters):
            cart = f"bench-{run}-{submitter}-{number // 5}"
            command = AddItem(cart, f"product-{number % PRODUCTS}", 1 + number % 3)
            accepted.append((await store.execute(command, origin, f"key-{number}")).event)
        return accepted

    events = await asyncio.gather(*(submit(submitter) for submitter in range(load.submitters)))
    return sorted((event for accepted in events for event in accepted), key=lambda event: event.id)


async def relay(store: Store, _events: Sequence[Event], load: Load) -> None:
    """Take the whole outbox, as a relay that holds all shards does when the bus costs nothing."""
    while pending := await store.pending(range(store.shards), load.batch):
        await store.mark_sent(pending)


async def begin(store: Store, events: Sequence[Event], load: Load) -> None:
    """Look what was done before, batch after batch."""
    for batch in batches(events, load.batch):
        await store.begin("popularity", batch)


async def commit(store: Store, events: Sequence[Event], load: Load) -> None:
    """Commit a unit for each event that adds to one projection and emits nothing."""
    for batch in batches(events, load.batch):
        await store.commit("popularity", [unit(store, event) for event in batch])


OPERATIONS: dict[str, Callable[[Store, Sequence[Event], Load], Awaitable[None]]] = {
    "pending + mark_sent": relay,
    "begin": begin,
    "commit": commit,
    "commit again": commit,
}


def unit(store: Store, event: Event) -> UnitOfWork:
    """What the popularity handler makes of an event."""
    work = UnitOfWork(event, "popularity", store.read)
    work.add("popularity", event.data["product"], event.data["quantity"])
    work.finish({"product": event.data["product"]})
    return work


def batches(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    """The events in pieces."""
    return [events[start : start + size] for start in range(0, len(events), size)]


async def rates(url: str, load: Load) -> dict[str, float]:
    """Items a second of each operation on one store."""
    store = STORES[url.partition(":")[0]](url)
    await store.start()
    try:
        found: dict[str, float] = {}
        begun = time.perf_counter()
        events = await execute(store, load)
        found["execute"] = len(events) / (time.perf_counter() - begun)
        for operation, work in OPERATIONS.items():
            begun = time.perf_counter()
            await work(store, events, load)
            found[operation] = len(events) / (time.perf_counter() - begun)
        return found
    finally:
        await store.close()


def main() -> None:
    """Measure the stores in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--submitters", type=int, default=64)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = Load(arguments.commands, arguments.submitters, arguments.batch)
    print(f"{load.commands:,} commands, {load.submitters} submitters, batches of {load.batch}, {os.cpu_count()} cores")
    rounds = [{url: asyncio.run(rates(url, load)) for url in arguments.urls} for _ in range(arguments.rounds)]
    for url in arguments.urls:
        for operation in rounds[0][url]:
            rate, baseline = (max(found[one][operation] for found in rounds) for one in (url, arguments.urls[0]))
            print(f"{url.partition(':')[0]:8} {operation:20} {rate:10,.0f} /s {rate / baseline:6.2f} x")


if __name__ == "__main__":
    main()
