"""What every store keeps: what was accepted outlives it."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from cart_platform.errors import CartscopeError, Unavailable
from cart_platform.events import Event
from cart_platform.store import Store
from support.stores import (
    ALL,
    NOBODY,
    Opener,
    accept,
    accept_all,
    add,
    build,
    finished,
    foreign,
    given_up,
    logged,
    own,
    waiting,
)

pytest_plugins = ["support.store_fixtures"]


async def test_another_number_of_shards_is_refused(opened: Opener) -> None:
    """A store made with 8 shards is not opened with 4, and says both numbers in one line."""
    await opened()
    with pytest.raises(CartscopeError, match=r"8 shards.*4") as refused:
        await opened(shards=4)
    assert "\n" not in str(refused.value)


async def test_everything_is_there_after_a_restart(opened: Opener) -> None:
    """A closed and reopened store has carts, log, outbox, keys, effects and counts as they were."""
    before = await opened()
    events = await accept_all(before, [add(f"cart-{number}") for number in range(5)])
    keyed = await accept(before, add("keyed"), "key")
    await before.commit("popularity", [finished(before, event) for event in events])
    await before.record_dead_letter(keyed, given_up(keyed))
    await before.mark_sent((await waiting(before))[:2])
    kept = (await logged(before), await waiting(before), await before.totals(), await before.top("products", 3))
    await before.close()
    after = await opened()
    assert kept == (await logged(after), await waiting(after), await after.totals(), await after.top("products", 3))
    assert keyed == await accept(after, add("keyed"), "key")
    units = [finished(after, event) for event in events]
    assert [False] * 5 == own(units, await after.commit("popularity", units))


async def test_a_closed_store_is_unavailable(url: str) -> None:
    """Before start and after close, which may be called twice, every question is turned away."""
    store = build(url)
    await store.close()
    await store.start()
    await store.ping()
    for _ in range(2):
        await store.close()
    for question in (
        store.ping(),
        store.execute(add(), NOBODY),
        store.depth(),
        store.commit("h", [finished(store, foreign())]),
    ):
        with pytest.raises(Unavailable):
            await question
    await store.start()
    assert await store.cart("cart") is None
    await store.close()


async def test_close_finishes_what_is_under_way(store: Store, other: Store) -> None:
    """Commands that were waiting at the close are committed or turned away, never half of it."""
    asked = [asyncio.ensure_future(accept(store, add(f"cart-{number}"))) for number in range(50)]
    await other.ping()
    await store.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    accepted = {answer.id for answer in answers if isinstance(answer, Event)}
    assert {Unavailable} >= {type(answer) for answer in answers if isinstance(answer, BaseException)}
    assert accepted == {recorded.event.id for recorded in await logged(other)}


async def test_what_is_measured(opened: Opener) -> None:
    """Each round trip of the operations that carry the load is told, with its items."""
    told: list[tuple[str, float, int]] = []
    store = await opened(measure=lambda *words: told.append(words))
    event = await accept(store, add())
    await store.begin("popularity", [event])
    await store.commit("popularity", [finished(store, event)])
    await store.mark_sent(await store.pending(ALL, 10))
    assert [(name, 1) for name in ("execute", "begin", "commit", "pending", "mark_sent")] == [
        (operation, items) for operation, _, items in told
    ]
    assert all(seconds > 0 for _, seconds, _ in told)


SUBMITTERS = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from cart_platform.cart import AddItem
from cart_platform.store import Origin
from support.stores import build

async def submit(store, submitter):
    number = 0
    while True:
        cart = f"cart-{submitter}-{number // 5}"
        execution = await store.execute(AddItem(cart, "milk", 1), Origin(), f"key-{number}")
        print(execution.event.id, cart, flush=True)
        number += 1

async def main():
    store = build(sys.argv[1])
    await store.start()
    await asyncio.gather(*(submit(store, submitter) for submitter in range(16)))

asyncio.run(main())
"""


async def test_what_was_accepted_survives_a_kill(url: str, opened: Opener) -> None:
    """Every event that a process reported before it was killed with -9 is in log, outbox and cart."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUBMITTERS, url, str(Path(__file__).parent), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(300)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    accepted = dict(line.decode().split() for line in lines if line.endswith(b"\n"))
    store = await opened()
    log = await logged(store)
    assert 300 <= len(accepted)
    assert (
        set(accepted) <= {recorded.event.id for recorded in log} == {entry.event.id for entry in await waiting(store)}
    )
    events = Counter(recorded.event.subject for recorded in log)
    for name in set(accepted.values()):
        cart = await store.cart(name)
        assert cart is not None
        assert events[name] == cart.version == cart.units
