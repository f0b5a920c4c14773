"""The dead letters as the console shows them: listed, replayed, purged, and followed after a replay."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from cart_handlers import console_dead_letters
from cart_handlers.console_dead_letters import DeadLettersExtension
from cart_observability.telemetry import silent
from cart_platform.bus import EVENTS_EXCHANGE, Publication
from cart_platform.console.extension import ShopExtension
from cart_platform.console.watched import Watched
from cart_platform.events import Message
from cart_platform.faults.catalogue import FAILING_HANDLER
from cart_platform.faults.switchboard import Switchboard, switched_on
from support.embedded import Visitor, embedded
from support.polling import eventually

GARBAGE = b"\xff\xfe no event"


@dataclass
class Run:
    """A chain with the visitors of its dead letters and of its shop."""

    watched: Watched
    letters: Visitor
    shop: Visitor
    board: Switchboard

    async def asked(self, query: str = "") -> Any:
        """What the page is told."""
        return await self.letters.get(f"/api/dead-letters{query}")

    async def kept(self, count: int) -> list[dict[str, Any]]:
        """The dead letters, as soon as there are so many."""

        async def counted() -> bool:
            return len((await self.asked())["letters"]) == count

        await eventually(counted)
        return list((await self.asked())["letters"])

    async def give_up(self, *carts: str) -> None:
        """Events that popularity gives up."""
        self.board.on([switched_on(FAILING_HANDLER, "popularity")])
        await self.fails(on=True)
        for cart in carts:
            wish = {"cart": cart, "command": "add_item", "product": "honey", "key": "k", "wait": 10}
            answer = await self.shop.post("/api/shop/commands", wish)
            assert "dead_lettered" == answer["event"]["results"]["popularity"]["outcome"]

    async def fails(self, *, on: bool) -> None:
        """Wait until popularity fails, or does so no more: it looks at the switchboard a few times a second."""
        bus: Any = await self.watched.bus()
        await bus._switches.switch(FAILING_HANDLER, "popularity").until(on=on)

    async def publish(self, *bodies: bytes) -> None:
        """Messages on the way of cart events, past the store."""
        messages = [Message(body, {"who": "a <b>stranger</b>", "long": "x" * 5_000}, "text/plain") for body in bodies]
        bus = await self.watched.bus()
        await bus.publish([Publication(EVENTS_EXCHANGE, "cart.item_added", message) for message in messages])

    async def outcomes(self) -> list[str | None]:
        """What became of the letters of the last replay."""
        return [letter["outcome"] for letter in (await self.asked())["replays"][0]["letters"]]


@pytest.fixture
async def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """A running chain whose list of dead letters is always asked for anew."""
    monkeypatch.setattr(console_dead_letters, "REMEMBERED_SECONDS", 0.0)
    async with (
        embedded(tmp_path) as watched,
        Visitor(DeadLettersExtension(watched)) as letters,
        Visitor(ShopExtension(watched)) as shop,
    ):
        yield Run(watched, letters, shop, Switchboard(tmp_path / "faults.json"))


async def test_list(run: Run) -> None:
    """An event that was given up is listed with its reason, its attempts and their errors, its headers and its body."""
    await run.give_up("mine")
    [letter] = await run.kept(1)
    assert ("popularity", "cart.popularity", "attempts_exhausted", 2) == tuple(
        letter[name] for name in ("handler", "queue", "reason", "attempts")
    )
    assert [1, 2] == [failure["attempt"] for failure in letter["failures"]]
    assert all("InjectedFault" in failure["traceback"] for failure in letter["failures"])
    assert ("cart.item_added", letter["event_id"]) == (letter["event_type"], letter["headers"]["cloudEvents_id"])
    assert ("honey", len(letter["body"]), False) == (
        json.loads(letter["body"])["product"],
        letter["bytes"],
        letter["cut"],
    )


async def test_what_is_no_event(run: Run) -> None:
    """Bytes that are no text come in base64, long ones cut and so marked, and headers are bounded."""
    await run.publish(GARBAGE, b"z" * 100_000, "\N{SNOWMAN}".encode() * 20_000)
    letters = [letter for letter in await run.kept(6) if letter["handler"] == "threshold"]
    assert {(None, None)} == {(letter["event_id"], letter["event_type"]) for letter in letters}
    garbage, long, text = letters
    assert (GARBAGE, len(GARBAGE), False) == (
        base64.b64decode(garbage["body_base64"]),
        garbage["bytes"],
        garbage["cut"],
    )
    assert ("a <b>stranger</b>", 2_000) == (garbage["headers"]["who"], len(garbage["headers"]["long"]))
    assert (16_384, 100_000, True) == (len(long["body"]), long["bytes"], long["cut"])
    assert (16_384, 60_000, True) == (len(text["body"]), text["bytes"], text["cut"])


async def test_limit(run: Run) -> None:
    """The oldest of each handler are listed, and which handlers have more."""
    await run.publish(*(b"garbage %d" % number for number in range(4)))
    await run.kept(8)
    answer = await run.asked("?limit=3")
    assert [f"garbage {number}" for number in (0, 1, 2, 0, 1, 2)] == [letter["body"] for letter in answer["letters"]]
    assert ["threshold", "popularity"] == answer["more"]
    assert [] == (await run.asked("?limit=4"))["more"]


async def test_one_list_for_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks within a moment of another gets the same list, and a new one after anything was done."""
    monkeypatch.setattr(console_dead_letters, "REMEMBERED_SECONDS", 60.0)
    before = (await run.asked())["letters"]
    await run.give_up("mine")
    assert before == (await run.asked())["letters"]
    assert {"purged": 1} == await run.letters.post("/api/dead-letters/purge", {"ids": None})
    await run.give_up("another")
    assert 1 == len((await run.asked())["letters"])


async def test_replay_after_the_repair(run: Run) -> None:
    """What is replayed once its handler works again is done, and the list of replays says so."""
    await run.give_up("a", "b")
    first, second = await run.kept(2)
    run.board.clear()
    await run.fails(on=False)
    wish = {"ids": [first["id"]], "handler": "popularity"}
    assert {"replayed": 1} == await run.letters.post("/api/dead-letters/replay", wish)
    await eventually(lambda: _told(run, ["done"]))
    answer = await run.asked()
    assert [second["id"]] == [letter["id"] for letter in answer["letters"]]
    [replay] = answer["replays"]
    assert (1, first["event_id"], "popularity", "cart.item_added") == (
        replay["count"],
        *(replay["letters"][0][name] for name in ("event_id", "handler", "event_type")),
    )


async def test_replay_to_a_handler_as_it_was(run: Run) -> None:
    """What fails again is a dead letter again, and the replay says that too; an older verdict does not count."""
    await run.give_up("a")
    await run.publish(GARBAGE)
    await run.kept(3)
    assert {"replayed": 3} == await run.letters.post("/api/dead-letters/replay", {"ids": None})
    await run.kept(3)

    async def told() -> bool:
        return sorted(await run.outcomes(), key=str) == [None, None, "dead_lettered"]

    await eventually(told)


async def test_purge(run: Run) -> None:
    """What is purged is gone: those named, those of one handler, or all."""
    await run.publish(b"one", b"two")
    letters = await run.kept(4)
    chosen = next(letter for letter in letters if letter["handler"] == "threshold")
    wish = {"ids": [chosen["id"]], "handler": "threshold"}
    assert {"purged": 1} == await run.letters.post("/api/dead-letters/purge", wish)
    assert {"purged": 0} == await run.letters.post("/api/dead-letters/purge", wish)
    assert {"purged": 2} == await run.letters.post("/api/dead-letters/purge", {"ids": None, "handler": "popularity"})
    assert ["threshold"] == [letter["handler"] for letter in await run.kept(1)]
    assert {"purged": 1} == await run.letters.post("/api/dead-letters/purge", {"ids": None})
    assert [] == (await run.asked())["letters"]


async def test_what_a_person_does_is_logged(run: Run) -> None:
    """A replay and a purge leave a line for each handler, in the event's story where it is about one."""
    await run.give_up("mine")
    await run.publish(GARBAGE)
    letters = await run.kept(3)
    [given_up] = [letter for letter in letters if letter["event_id"]]
    with capture_logs() as logged:
        extension = DeadLettersExtension(run.watched, structlog.get_logger())
        async with Visitor(extension) as visitor:
            await visitor.post("/api/dead-letters/replay", {"ids": [given_up["id"]]})
            await run.kept(3)
            await visitor.post("/api/dead-letters/purge", {"ids": None})
            await visitor.post("/api/dead-letters/purge", {"ids": None})
    said = [
        tuple(line.get(name) for name in ("event.action", "cartscope.handler", "cartscope.dead_letters"))
        for line in logged
    ]
    assert [
        ("dead_letters.replayed", "popularity", 1),
        ("dead_letters.purged", "threshold", 1),
        ("dead_letters.purged", "popularity", 2),
    ] == said
    assert [given_up["event_id"], None, None] == [line.get("cartscope.event.id") for line in logged]


REFUSED: list[tuple[Any, str]] = [
    ({}, "missing required field `ids`"),
    ({"ids": []}, "ids"),
    ({"ids": ["x"] * 1_001}, "ids"),
    ({"ids": "all"}, "ids"),
    ({"ids": None, "handler": "accounting"}, "no handler is called accounting"),
    ({"ids": None, "force": True}, "unknown field"),
]


@pytest.mark.parametrize("act", ["replay", "purge"])
@pytest.mark.parametrize(("body", "told"), REFUSED)
async def test_what_cannot_be(run: Run, act: str, body: Any, told: str) -> None:
    """What is not clearly said is not done: all is only meant by an explicit null."""
    await run.publish(GARBAGE)
    await run.kept(2)
    status, said = await run.letters.refusal("POST", f"/api/dead-letters/{act}", body)
    assert (422, True) == (status, told in said), said
    assert 2 == len((await run.asked())["letters"])


async def test_a_bus_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the bus cannot be reached, every question and every act is a 503 in one line."""
    monkeypatch.setenv("CARTSCOPE_STORE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("CARTSCOPE_BUS_URL", "amqp://guest:secret@127.0.0.1:1/")
    watched = Watched.beside(silent())
    async with Visitor(DeadLettersExtension(watched)) as letters:
        for method, path in (("GET", ""), ("POST", "/replay"), ("POST", "/purge")):
            status, said = await letters.refusal(method, f"/api/dead-letters{path}", {"ids": None})
            assert (503, True) == (status, "RabbitMQ at 127.0.0.1:1" in said), said
            assert "secret" not in said
    await watched.close()


async def _told(run: Run, outcomes: list[str | None]) -> bool:
    return await run.outcomes() == outcomes
