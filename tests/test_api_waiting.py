"""Waiting for results: `Prefer: wait`, early and late results, repeats, disconnects, bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability.telemetry import Telemetry
from cart_platform.api.preferences import wait_preference
from cart_platform.api.waiters import EARLY_RESULTS, Waiters
from cart_platform.bus import Delivery
from cart_platform.cart import Cart
from cart_platform.errors import Unavailable
from cart_platform.events import Event, Message, new_id, now
from support.api import Answer, Api, MemoryBus, MemorySubscription, result_of
from support.polling import eventually


@asynccontextmanager
async def started(api: Api) -> AsyncIterator[Api]:
    """The API with its waiters at work."""
    api.waiters.start()
    await api.bus.listening.wait()
    try:
        yield api
    finally:
        await api.waiters.close()


async def until_executed(api: Api, count: int = 1) -> Event:
    """The event of the latest command, once there are that many."""
    await eventually(lambda: len(api.store.recorded) >= count)
    return list(api.store.recorded.values())[-1].event


async def waiting_gauge(api: Api) -> float | None:
    """How many requests wait, by the metric."""
    return api.telemetry.registry.get_sample_value("cartscope_api_waiters")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("wait=5", 5),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=10; x=y", 10),
        ("wait=1, wait=2", 1),
        ("wait=0", 0),
        ("wait=100", 60),
        ("wait=" + "9" * 9, 60),
        ("wait=" + "9" * 5_000, None),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=five", None),
        ("wait=٣", None),
        ("await=5", None),
        ('foo="a, wait=9", wait=3', 3),
        ('foo="a, wait=9', 9),
    ],
)
def test_preference(header: str | None, seconds: int | None) -> None:
    """The first wait that can be read counts, 60 seconds at most; everything else is ignored."""
    assert seconds == wait_preference(header)


@given(st.text(max_size=200))
def test_any_preference(header: str) -> None:
    """No header is too strange to be read."""
    seconds = wait_preference(header)
    assert seconds is None or 0 <= seconds <= 60


async def test_all_handlers_report() -> None:
    """The answer comes as soon as every handler that reacts has reported, with all results."""
    async with started(Api()) as api:
        asked = asyncio.create_task(api.add(prefer="wait=60"))
        event = await until_executed(api)
        assert event.replyto == api.waiters.address
        await api.bus.send(api.waiters.address, result_of(event, "threshold", reached=False))
        await api.bus.send(api.waiters.address, result_of(event, "popularity"))
        answer = await asked
    assert answer.status == 200
    assert answer.headers["preference-applied"] == "wait=60"
    assert answer.json["status"] == "handled"
    assert {"threshold", "popularity"} == set(answer.json["results"])
    assert answer.json["results"]["threshold"]["data"] == {"reached": False}
    assert await waiting_gauge(api) == 0


async def test_dead_letter_is_a_report() -> None:
    """A handler that gave the event up has reported too."""
    async with started(Api()) as api:
        api.store.carts["c"] = Cart("c", 1, {"milk": 1})
        asked = asyncio.create_task(api.ask("POST", "/carts/c/checkout", prefer="wait=60"))
        event = await until_executed(api)
        await api.bus.send(api.waiters.address, result_of(event, "threshold", "dead_lettered", reason="attempts"))
        answer = await asked
    assert answer.status == 200
    assert answer.json["results"]["threshold"]["outcome"] == "dead_lettered"


async def test_without_preference() -> None:
    """Nobody waits unasked, and the event asks for no reply."""
    async with started(Api()) as api:
        answer = await api.add()
        assert answer.status == 202
        assert "preference-applied" not in answer.headers
        assert (await until_executed(api)).replyto is None


async def test_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is over, the answer holds the results so far."""
    shorten_waits(monkeypatch)
    async with started(Api()) as api:
        api.store.then = lambda event: api.waiters.arrived(result_of(event, "popularity"))
        answer = await api.add(prefer="wait=1")
    assert answer.status == 202
    assert (answer.json["status"], set(answer.json["results"])) == ("accepted", {"popularity"})


async def test_results_that_did_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that were lost on their way are found in the store when the time is over."""
    shorten_waits(monkeypatch)
    async with started(Api()) as api:
        api.store.then = lambda event: keep_both(api, event)
        assert (await api.add(prefer="wait=1")).status == 200


def keep_both(api: Api, event: Event) -> None:
    """As if both handlers had committed their results."""
    api.store.keep(result_of(event, "threshold"))
    api.store.keep(result_of(event, "popularity"))


async def test_store_gone_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accepted command stays accepted when the store cannot be read afterwards."""
    shorten_waits(monkeypatch)
    async with started(Api()) as api:

        def fail(_event: Event) -> None:
            api.store.failure = Unavailable("no server")

        api.store.then = fail
        assert (await api.add(prefer="wait=1")).status == 202


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every wait last a hundredth of a second."""
    monkeypatch.setattr("cart_platform.api.commands.wait_preference", lambda header: None if header is None else 0.01)


async def test_result_overtakes_its_event() -> None:
    """A result that arrives before the store has answered is not lost."""
    async with started(Api()) as api:

        def overtake(event: Event) -> None:
            for handler in ("threshold", "popularity"):
                api.waiters.arrived(result_of(event, handler))

        api.store.then = overtake
        assert (await api.add(prefer="wait=60")).status == 200
        assert not api.waiters._early


async def test_early_results_are_bounded() -> None:
    """Results that nobody asked for do not pile up, not even while a command is under way."""
    waiters = Api().waiters
    with waiters.waiting():
        for _ in range(EARLY_RESULTS + 10):
            waiters.arrived(result_of(Event(new_id(), "/test", "x", now()), "threshold"))
        assert len(waiters._early) == EARLY_RESULTS
    assert not waiters._early
    assert not waiters._of_event


async def test_repeat_of_a_handled_command() -> None:
    """A repeated command whose results are known is answered with them at once."""
    async with started(Api()) as api:
        await api.add(idempotency_key="k")
        event = await until_executed(api)
        keep_both(api, event)
        answer = await api.add(idempotency_key="k", prefer="wait=60")
    assert answer.status == 200
    assert answer.headers["idempotency-replayed"] == "true"


async def test_repeat_while_the_first_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat hears of results that go to whoever sent the command first: here, or by the store."""
    monkeypatch.setattr("cart_platform.api.commands.LOOK_AGAIN", 0.01)
    async with started(Api()) as api:
        first = asyncio.create_task(api.add(idempotency_key="k", prefer="wait=60"))
        event = await until_executed(api)
        repeat = asyncio.create_task(api.add(idempotency_key="k", prefer="wait=60"))
        keep_both(api, event)
        assert (await repeat).status == 200
        await api.bus.send(api.waiters.address, result_of(event, "threshold"))
        await api.bus.send(api.waiters.address, result_of(event, "popularity"))
        assert (await first).status == 200


async def test_client_leaves() -> None:
    """A request whose client has gone waits no longer."""
    async with started(Api()) as api:
        gone = asyncio.Event()
        asked = asyncio.create_task(api.ask("POST", "/carts/c/items", {"product": "milk"}, gone, prefer="wait=60"))
        await until_executed(api)
        gone.set()
        async with asyncio.timeout(5):
            await asked
        assert await waiting_gauge(api) == 0
        assert not api.waiters._of_event


async def test_cancelled_request() -> None:
    """A request that the server cancels leaves nothing behind."""
    async with started(Api()) as api:
        asked = asyncio.create_task(api.add(prefer="wait=60"))
        await until_executed(api)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await waiting_gauge(api) == 0
        assert not api.waiters._of_event


async def test_no_room_to_wait() -> None:
    """Beyond the bound a request is answered at once, without the wait."""
    async with started(Api(waiting=1)) as api:
        first = asyncio.create_task(api.add(prefer="wait=60"))
        await until_executed(api)
        second = await api.add(prefer="wait=60")
        assert second.status == 202
        assert "preference-applied" not in second.headers
        first.cancel()


async def test_refused_command_does_not_wait() -> None:
    """A refusal is answered at once."""
    async with started(Api()) as api:
        assert (await api.ask("POST", "/carts/c/checkout", prefer="wait=60")).reason == "cart_empty"
        assert await waiting_gauge(api) == 0


async def test_stopping() -> None:
    """A process that stops answers those who wait, and lets nobody wait any more."""
    api = Api()
    api.waiters.start()
    await api.bus.listening.wait()
    asked = asyncio.create_task(api.add(prefer="wait=60"))
    await until_executed(api)
    await api.waiters.close()
    await api.waiters.close()
    answers: list[Answer] = [await asked, await api.add(prefer="wait=60")]
    assert [202, 202] == [answer.status for answer in answers]
    assert api.bus.subscriptions[api.waiters.address].closed


async def test_bus_away_at_the_start() -> None:
    """Waiters begin to listen once the bus can be reached."""
    tried = asyncio.Event()

    class LateBus(MemoryBus):
        async def ping(self) -> None:
            tried.set()
            await super().ping()

    api = Api(bus=LateBus())
    api.bus.failure = Unavailable("no broker")
    api.waiters.start()
    async with asyncio.timeout(10):
        await tried.wait()
        api.bus.failure = None
        await api.bus.listening.wait()
    await api.waiters.close()


async def test_unreadable_result() -> None:
    """A result that cannot be read does not end the listening."""
    async with started(Api()) as api:
        broken = Delivery("reply", api.waiters.address, Message(b"\xff"))
        api.bus.subscriptions[api.waiters.address].deliveries.put_nowait(broken)
        asked = asyncio.create_task(api.add(prefer="wait=60"))
        event = await until_executed(api)
        for handler in ("threshold", "popularity"):
            await api.bus.send(api.waiters.address, result_of(event, handler))
        assert (await asked).status == 200


def test_addresses_differ() -> None:
    """Each process has a reply address of its own."""
    assert isinstance(Api().waiters, Waiters)
    assert Api().waiters.address != Api().waiters.address


async def test_listening_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When results can no longer be listened to, that is logged, and they are found in the store."""
    shorten_waits(monkeypatch)
    telemetry = Telemetry.start("cartscope-api", log_folder=tmp_path, stdout=False)

    class BrokenBus(MemoryBus):
        async def listen(self, routing_key: str) -> MemorySubscription:
            self.listening.set()
            raise RuntimeError("no such exchange")

    async with started(Api(telemetry, bus=BrokenBus())) as api:
        api.store.then = lambda event: keep_both(api, event)
        assert (await api.add(prefer="wait=1")).status == 200
    telemetry.close()
    log = (tmp_path / "cartscope-api.log").read_text()
    assert '"event.action":"results.lost"' in log
    assert "no such exchange" in log
