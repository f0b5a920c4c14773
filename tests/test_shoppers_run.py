"""Loads and replays from their first command to their summary."""

import asyncio
import itertools
import math
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cart_platform.errors import Unavailable, UsageError
from cart_platform.shoppers import Load, Progress, Replay, ReplayFileError, run_load, run_replay
from support.shop_server import Asked, Drop, ShopServer, problem

GROCERIES = Path(__file__).parents[2] / "shared" / "data" / "groceries.csv"


def baskets(folder: Path, carts: int = 50, products: int = 6) -> Path:
    """A file of so many carts with so many products each."""
    path = folder / "baskets.csv"
    path.write_text("".join(",".join(f"p{cart}.{n}" for n in range(products)) + "\n" for cart in range(carts)))
    return path


def products(server: ShopServer) -> dict[str, list[str]]:
    """The products that were put into each cart, in order."""
    return {cart: [one.body["product"] for one in asked] for cart, asked in server.by_cart.items()}


async def test_replay_keeps_the_order_of_each_cart(tmp_path: Path) -> None:
    """Rows of one cart that are scattered through the file arrive in the file's order."""
    rows = [(cart, f"p{n}") for n in range(20) for cart in "abcdefgh"]
    path = tmp_path / "orders.csv"
    path.write_text("cart,product\n" + "".join(f"{cart},{product}\n" for cart, product in rows))
    async with ShopServer() as server:
        summary = await run_replay(Replay(server.url, path, "lines", concurrency=3))
        assert products(server) == {cart: [f"p{n}" for n in range(20)] for cart in "abcdefgh"}
    assert (summary.accepted, summary.rejected, summary.failed, summary.unsent) == (160, {}, 0, 0)


async def test_replay_is_bounded(tmp_path: Path) -> None:
    """No more carts than asked for have a request in flight, and no cart has two."""
    most_carts = most_of_one = 0
    full = asyncio.Event()

    async def watch(_: Asked) -> None:
        nonlocal most_carts, most_of_one
        most_carts = max(most_carts, server.in_flight.total())
        most_of_one = max(most_of_one, *server.in_flight.values())
        if most_carts == 8:
            full.set()
        await full.wait()

    async with asyncio.timeout(30), ShopServer(watch) as server:
        await run_replay(Replay(server.url, baskets(tmp_path), concurrency=8))
    assert (most_carts, most_of_one) == (8, 1)


async def test_refused_rows_are_counted(tmp_path: Path) -> None:
    """A row that is refused is counted by its reason, one without a possible path too, and nothing stops."""
    path = tmp_path / "orders.csv"
    path.write_text("cart,product,quantity\na,milk,1\na,milk,two\n,milk,1\n..,milk,1\nb,,1\nb,milk,0\nb,soda,3\n")

    async def hold_to_the_rules(asked: Asked) -> web.Response | None:
        if not asked.body["product"]:
            return problem(422, "invalid_identifier")
        quantity = asked.body["quantity"]
        return None if isinstance(quantity, int) and quantity > 0 else problem(422, "invalid_quantity")

    async with ShopServer(hold_to_the_rules) as server:
        summary = await run_replay(Replay(server.url, path, "lines"))
        assert products(server) == {"a": ["milk"], "b": ["soda"]}
    assert summary.as_dict()["commands"] == {
        "accepted": 2,
        "rejected": {"invalid_quantity": 2, "invalid_identifier": 3},
        "failed": 0,
        "unsent": 0,
        "unanswered": 0,
    }


async def test_replay_survives_what_servers_do(tmp_path: Path) -> None:
    """With answers lost, overload and errors throughout, every command takes effect once and in order."""
    turns = itertools.count()

    async def trouble(_: Asked) -> web.Response | None:
        turn = next(turns) % 7
        if turn == 2:
            raise Drop
        return web.Response(status=503, headers={"Retry-After": "0"}) if turn == 4 else None

    async def lose(_: Asked) -> None:
        if next(turns) % 5 == 0:
            raise Drop

    async with ShopServer(trouble, lose) as server:
        path = baskets(tmp_path, carts=20, products=5)
        summary = await run_replay(Replay(server.url, path))
        expected = path.read_text().splitlines()
        assert products(server) == {f"basket-{n}": line.split(",") for n, line in enumerate(expected, 1)}
    assert (summary.accepted, summary.failed) == (100, 0)
    assert summary.retried == len(server.asked) - 100 == sum(summary.troubles.values())


async def test_replay_survives_a_restart(tmp_path: Path) -> None:
    """A server that goes away in the middle and comes back gets every command once, in order."""
    path = baskets(tmp_path)

    def enough(commands: int) -> bool:
        return len(server.effects) >= commands

    async with ShopServer() as server:
        replay = asyncio.create_task(run_replay(Replay(server.url, path, concurrency=4)))
        for commands in (50, 150):
            await server.until(partial(enough, commands))
            await server.stop()
            await server.start()
        summary = await replay
        expected = path.read_text().splitlines()
        assert products(server) == {f"basket-{n}": line.split(",") for n, line in enumerate(expected, 1)}
    assert (summary.accepted, summary.failed) == (300, 0)


async def test_replay_again_adds_nothing(tmp_path: Path) -> None:
    """A replay that is repeated sends every command under the key it had."""
    path = baskets(tmp_path)
    async with ShopServer() as server:
        for _ in range(2):
            await run_replay(Replay(server.url, path))
        assert (len(server.asked), len(server.effects)) == (600, 300)


async def test_broken_file_sends_nothing(tmp_path: Path) -> None:
    """An error at the end of a long file is found before the first command is sent."""
    path = baskets(tmp_path, carts=5000)
    path.write_bytes(path.read_bytes() + b"\xff\n")
    async with ShopServer() as server:
        with pytest.raises(ReplayFileError, match="not UTF-8"):
            await run_replay(Replay(server.url, path))
        assert server.asked == []


async def test_unanswered_commands_fail(tmp_path: Path) -> None:
    """Commands that no patience could bring through are counted as failed, with what was the trouble."""

    async def always_in_trouble(_: Asked) -> web.Response:
        return web.Response(status=500)

    async with ShopServer(always_in_trouble) as server:
        summary = await run_replay(Replay(server.url, baskets(tmp_path), patience=0.1))
    assert (summary.accepted, summary.failed) == (0, 300)
    assert set(summary.troubles) == {"http 500"}


async def test_interrupted_replay_gives_its_summary(tmp_path: Path) -> None:
    """Cancelled, a replay begins nothing more, ends what is in flight and says what was done."""
    release = asyncio.Event()

    async def hold_after_twenty(_: Asked) -> None:
        if len(server.asked) > 20:
            await release.wait()

    async with ShopServer(hold_after_twenty) as server:
        replay = asyncio.create_task(run_replay(Replay(server.url, baskets(tmp_path), concurrency=4)))
        await server.until(lambda: server.in_flight.total() == 4 and len(server.asked) > 20)
        replay.cancel()
        release.set()
        summary = await replay
    assert summary.interrupted
    assert summary.accepted == len(server.asked) == len(server.effects)
    assert (summary.unsent, summary.unanswered) == (300 - len(server.asked), 0)


async def test_interrupted_replay_does_not_wait_for_ever(tmp_path: Path) -> None:
    """What does not end within the grace is cut off and counted as unanswered."""
    release = asyncio.Event()

    async def hold(_: Asked) -> None:
        await release.wait()

    async with ShopServer(hold) as server:
        replay = asyncio.create_task(run_replay(Replay(server.url, baskets(tmp_path), concurrency=4)))
        await server.until(lambda: server.in_flight.total() == 4)
        replay.cancel()
        summary = await replay
        release.set()
    assert (summary.interrupted, summary.unanswered, summary.unsent) == (True, 4, 296)


async def test_errors_of_the_caller_come_out_as_they_are(tmp_path: Path) -> None:
    """An error in the progress callback ends the run and reaches the caller under its own type."""

    def broken(_: Progress) -> None:
        raise BrokenPipeError

    async with ShopServer() as server:
        with pytest.raises(BrokenPipeError):
            await run_replay(Replay(server.url, baskets(tmp_path)), broken)


async def test_unreachable_api_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that nobody has started ends the run with one line before a command is sent."""
    monkeypatch.setattr("cart_platform.shoppers.client.Client.greet.__defaults__", (0.1,))
    async with ShopServer() as server:
        url = server.url
    with pytest.raises(Unavailable, match="cannot reach the API"):
        await run_replay(Replay(url, baskets(tmp_path)))


@pytest.fixture(name="unhurried")
def begin_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load begins all its commands, however slow the machine."""
    monkeypatch.setattr("cart_platform.shoppers.run.LAST_START", 60.0)


async def test_load(unhurried: None) -> None:
    """A load sends the commands of its schedule, in carts named after the run, and counts them all."""
    async with ShopServer() as server:
        summary = await run_load(Load(server.url, rate=400, duration=1, seed=3, run="run-7"))
    carts = Counter(one.cart for one in server.asked)
    assert summary.accepted == len(server.effects) == len(server.asked) > 300
    assert all(cart.startswith("run-7-") for cart in carts)
    assert summary.latency_seconds["p50"] <= summary.latency_seconds["max"]


async def test_load_is_repeatable(unhurried: None) -> None:
    """The same seed sends the same commands for each cart whatever the server does."""
    sent = []
    turns = itertools.count()

    async def drop_some(_: Asked) -> None:
        if next(turns) % 10 == 0:
            raise Drop

    for behaviour in (None, drop_some):
        async with ShopServer(behaviour) as server:
            await run_load(Load(server.url, rate=300, duration=0.5, seed=5, run="run"))
            sent.append({cart: [(a.method, a.path, a.body) for a in asked] for cart, asked in server.by_cart.items()})
    assert sent[0] == sent[1]


async def test_latency_counts_from_the_intended_start(unhurried: None) -> None:
    """Commands that arrive while the server hangs are as late as it hangs: none of them is left out."""
    release = asyncio.Event()
    held = 0.0

    def let_go(progress: Progress) -> None:
        nonlocal held
        if progress.elapsed_seconds > 0.2 and not release.is_set():
            held = progress.elapsed_seconds
            release.set()

    async def hang(_: Asked) -> None:
        await release.wait()

    async with ShopServer(hang) as server:
        load = Load(server.url, rate=200, duration=0.1, concurrency=1)
        summary = await run_load(load, let_go)
    # Every command was due within the duration and none was answered before the release.
    assert summary.accepted > 5
    assert summary.latency_seconds["p50"] >= 0.98 * (held - load.duration)
    assert summary.late_seconds["p50"] >= 0.98 * (held - load.duration)


async def test_load_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands whose turn comes only after the load's time are not sent, and the summary says how many."""
    monkeypatch.setattr("cart_platform.shoppers.run.LAST_START", 0.0)
    release = asyncio.Event()

    def let_go(progress: Progress) -> None:
        if progress.elapsed_seconds > 0.3:
            release.set()

    async def hang(_: Asked) -> None:
        await release.wait()

    async with ShopServer(hang) as server:
        summary = await run_load(Load(server.url, rate=500, duration=0.2, concurrency=2, seed=1), let_go)
    assert summary.unsent > 0
    assert summary.accepted == len(server.effects)


async def test_interrupted_load_gives_its_summary() -> None:
    """A load without end goes on until it is cancelled."""
    async with ShopServer() as server:
        load = asyncio.create_task(run_load(Load(server.url, rate=500, duration=math.inf)))
        await server.until(lambda: len(server.asked) >= 100)
        load.cancel()
        summary = await load
    assert summary.interrupted
    assert summary.accepted == len(server.effects)


async def test_progress_ends_with_the_whole(tmp_path: Path) -> None:
    """The last report of progress is the whole run; nothing in a report goes down."""
    reports: list[Progress] = []
    async with ShopServer() as server:
        await run_replay(Replay(server.url, baskets(tmp_path)), reports.append)
    assert (reports[-1].total, reports[-1].sent, reports[-1].accepted, reports[-1].in_flight) == (300, 300, 300, 0)
    assert all(a.accepted <= b.accepted for a, b in itertools.pairwise(reports))


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "sawtooth"},
        {"rate": 0},
        {"rate": math.inf},
        {"rate": math.nan},
        {"duration": 0},
        {"duration": math.nan},
        {"concurrency": 0},
        {"run": "a b"},
        {"run": "x" * 41},
    ],
)
def test_load_refuses_nonsense(wrong: dict[str, Any]) -> None:
    """A value out of bounds is told in one line."""
    values: dict[str, Any] = {"url": "http://127.0.0.1:1", "rate": 1, "duration": 1} | wrong
    with pytest.raises(UsageError):
        Load(**values)


@pytest.mark.skipif(not GROCERIES.exists(), reason="the groceries data set is not beside the checkout")
async def test_groceries() -> None:
    """The real baskets arrive whole: 43,367 commands, each cart's in order, each under a key of its own."""
    async with ShopServer() as server:
        summary = await run_replay(Replay(server.url, GROCERIES))
        expected = GROCERIES.read_text().splitlines()
        assert products(server) == {f"basket-{n}": line.split(",") for n, line in enumerate(expected, 1)}
    assert (summary.accepted, len(server.effects), len(server.by_cart)) == (43_367, 43_367, 9835)
    assert sum(len(one) >= 10 for one in server.by_cart.values()) == 896
    added = Counter(asked.body["product"] for asked in server.effects.values())
    assert added.most_common(3) == [("whole_milk", 2513), ("other_vegetables", 1903), ("rolls/buns", 1809)]
