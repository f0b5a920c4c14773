"""The faults as the console switches them: the same catalogue and switchboard as at the command line."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from cart_observability.console.charts.charts import CHARTS
from cart_observability.console.logs.query import read
from cart_platform.console.extension import ShopExtension
from cart_platform.faults.catalogue import POISON_MESSAGE
from cart_platform.faults.switchboard import Switchboard, switched_on
from cart_platform.faults.switching import as_json
from support.embedded import HANDLERS, Visitor, embedded
from support.polling import eventually

PAGES = {"way", "charts", "events", "logs", "capacity", "dead-letters"}


@pytest.fixture
async def faults(tmp_path: Path) -> AsyncIterator[Visitor]:
    """The faults of a running chain."""
    async with embedded(tmp_path) as watched, Visitor(ShopExtension(watched)) as visitor:
        yield visitor


@pytest.fixture
def board(tmp_path: Path) -> Switchboard:
    """The same chain's switchboard."""
    return Switchboard(tmp_path / "faults.json")


async def named(faults: Visitor, name: str) -> Any:
    """One fault of the list."""
    [found] = [fault for fault in await faults.get("/api/faults") if fault["name"] == name]
    return found


async def test_the_list_is_that_of_the_command_line(faults: Visitor, board: Switchboard) -> None:
    """All that `cartscope faults list --json` says is in the list, with whom to choose from and how long it takes."""
    board.on([switched_on("slow-handler", "threshold", 60), switched_on("paused-relay")])
    found = await faults.get("/api/faults")
    listed = json.loads(as_json(board.read()))
    assert listed == [
        {**fault, "watch": {name: text for name, text in fault["watch"].items() if name != "places"}}
        for fault in (
            {name: value for name, value in fault.items() if name not in {"handlers", "takes"}} for fault in found
        )
    ]
    choices = {fault["name"]: fault["handlers"] for fault in found}
    assert (list(HANDLERS), [], []) == tuple(choices[name] for name in ("slow-handler", "mail-down", "burst"))
    assert {"mail-down": 0.02, "failing-handler": 0.02} == {
        fault["name"]: fault["takes"] for fault in found if fault["takes"]
    }


async def test_what_to_watch_is_in_the_console(faults: Visitor) -> None:
    """Each fault leads to pages that the console has: to charts that there are, and to searches that it can read."""
    for fault in await faults.get("/api/faults"):
        addresses = [urlsplit(place["address"].removeprefix("#/")) for place in fault["watch"]["places"]]
        assert addresses, fault["name"]
        assert {address.path for address in addresses} <= PAGES
        asked = [(address.path, dict(parse_qsl(address.query))) for address in addresses]
        assert {parameters["chart"] for page, parameters in asked if page == "charts"} <= CHARTS.keys()
        assert all(read(parameters["q"]) for page, parameters in asked if page == "logs")


async def test_on_and_off(faults: Visitor, board: Switchboard) -> None:
    """A fault is switched on for one handler and a time, acts, and is switched off."""
    on = await faults.post("/api/faults/failing-handler/on", {"handler": "popularity", "seconds": 30})
    assert on["said"].startswith("failing-handler is on for popularity until ")
    [entry] = (await named(faults, "failing-handler"))["on"]
    assert ("popularity", ["popularity"]) == (entry["handler"], [one.handler for one in board.read()])
    assert entry["since"] < entry["until"]
    assert {"said": "failing-handler is off"} == await faults.post("/api/faults/failing-handler/off", {})
    assert [] == board.read()
    assert {"said": "failing-handler was not on"} == await faults.post("/api/faults/failing-handler/off", {})


async def test_for_every_handler(faults: Visitor) -> None:
    """Without a handler a fault is on for every one that it concerns, until it is switched off."""
    await faults.post("/api/faults/stopped-handler/on", {})
    entries = (await named(faults, "stopped-handler"))["on"]
    assert [(name, None) for name in HANDLERS] == [(entry["handler"], entry["until"]) for entry in entries]


async def test_what_happens_once(faults: Visitor) -> None:
    """A poison message is there once and then the fault is over by itself."""
    assert "poison-message happens" in (await faults.post(f"/api/faults/{POISON_MESSAGE}/on", {}))["said"]

    async def over() -> bool:
        return not (await named(faults, POISON_MESSAGE))["on"]

    await eventually(over)


REFUSED: list[tuple[str, Any, int, str]] = [
    ("nothing/on", {}, 404, "there is no fault 'nothing'"),
    ("nothing/off", {}, 404, "there is no fault 'nothing'"),
    ("slow-handler/on", {"handler": "accounting"}, 422, "no handler is called accounting"),
    ("paused-relay/on", {"handler": "threshold"}, 422, "it takes no --handler"),
    ("poison-message/on", {"seconds": 5}, 422, "poison-message happens once"),
    ("burst/on", {"seconds": 0}, 422, "seconds"),
    ("burst/on", {"seconds": 1e300}, 422, "seconds"),
    ("burst/on", {"minutes": 1}, 422, "unknown field"),
    ("burst/on", b"", 422, "truncated"),
]


@pytest.mark.parametrize(("path", "body", "status", "told"), REFUSED)
async def test_what_cannot_be(
    faults: Visitor, board: Switchboard, path: str, body: Any, status: int, told: str
) -> None:
    """What cannot be switched is refused with the reason, and nothing is switched on."""
    refusal = await faults.refusal("POST", f"/api/faults/{path}", body)
    assert (status, True) == (refusal[0], told in refusal[1]), refusal
    assert [] == board.read()


async def test_a_damaged_switchboard(faults: Visitor, board: Switchboard) -> None:
    """A switchboard that cannot be read is one clear line, not an empty list."""
    board.file.write_text("{")
    status, said = await faults.refusal("GET", "/api/faults")
    assert (503, True) == (status, "cartscope faults off --all makes it anew" in said)


async def test_without_a_switchboard(tmp_path: Path) -> None:
    """A chain whose faults cannot be switched has no page of them, and no switch."""
    async with embedded(tmp_path, faults_file=None) as watched, Visitor(ShopExtension(watched)) as visitor:
        assert ["Shop"] == [page.title for page in visitor.extension.pages]
        assert 404 == (await visitor.asking("GET", "/api/faults")).status
