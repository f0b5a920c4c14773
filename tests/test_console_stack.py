"""The page of the console that leads to everything in the stack, and says what answers there."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cart_observability.console.console import Console, Place
from cart_platform.console.checks import Checks
from cart_platform.console.places import SERVERS, Link, Places, Server, read_places
from cart_platform.console.stack import StackExtension
from cart_platform.errors import UsageError
from support.browser import Looker, chromium
from support.documents import ROOT

PLACES = read_places(ROOT / "grafana/dashboards", ROOT / "elk/kibana")
NOWHERE = "http://127.0.0.1:1/"


def test_dashboards() -> None:
    """Every dashboard of the repository is there, the one to begin with first."""
    files = [json.loads(file.read_text()) for file in (ROOT / "grafana/dashboards").glob("*.json")]
    assert {f"/d/{board['uid']}" for board in files} == {link.path for link in PLACES.dashboards}
    assert "/d/event-way" == PLACES.dashboards[0].path
    assert all(link.about for link in PLACES.dashboards)


def test_kibana() -> None:
    """Every dashboard and search of Kibana is there."""
    lines = [json.loads(line) for line in (ROOT / "elk/kibana/cartscope.ndjson").read_text().splitlines()]
    wanted = {thing["id"] for thing in lines if thing.get("type") in {"dashboard", "search"}}
    assert wanted == {link.path.rpartition("/")[2] for link in PLACES.logs}


@pytest.mark.parametrize(("name", "text"), [("a.txt", "{}"), ("a.json", "{")])
def test_unreadable_folders(name: str, text: str, tmp_path: Path) -> None:
    """A folder without dashboards, or with a broken one, ends the start with one line."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=r"there is no \*.json in|is not JSON"):
        read_places(tmp_path, ROOT / "elk/kibana")


async def test_states() -> None:
    """A server that answers anything but an error of its own counts as there, one that nobody reaches does not."""
    servers = [Server("Broken", "", ""), Server("Closed", "", ""), Server("Gone", "", NOWHERE)]
    answers = {b"/broken": b"503 Service Unavailable", b"/closed": b"401 Unauthorized"}
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        asked.append(path)
        writer.write(b"HTTP/1.1 " + answers[path] + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        checks = Checks(
            [replace(each, check=each.check or f"http://127.0.0.1:{port}/{each.name.lower()}") for each in servers]
        )
        assert {"Broken": False, "Closed": True, "Gone": False} == await checks.states()
        await checks.states()
        await checks.close()
    assert sorted(answers) == sorted(asked), "a second visitor within a moment asks nobody again"


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """Where a console is in a stack of which nothing answers."""
    console = Console(tmp_path / "console.db", title="Stack", targets=dict)
    hostile = Link("<b>bold</b>", "<script>alert(1)</script>", 1, "/")
    places = Places([*PLACES.dashboards, hostile], PLACES.logs, [replace(server, check=NOWHERE) for server in SERVERS])
    console.extend(StackExtension(places))
    async with console.recording("127.0.0.1", 0), console.serving(Place("127.0.0.1", 0)) as url:
        yield url


@pytest.mark.parametrize("width", [360, 1280])
async def test_in_a_browser(width: int, address: str) -> None:
    """It is what a visitor sees first, fits a small screen, leads everywhere by the visitor's name, as text alone."""
    async with chromium() as browser:
        looker = Looker(await browser.new_page(viewport={"width": width, "height": 800}))
        page = looker.page
        await page.goto(address.replace("127.0.0.1", "localhost"))
        await page.wait_for_selector("table tbody tr")
        assert "Start here" == await looker.text("h1")
        assert width >= await page.evaluate("document.documentElement.scrollWidth")
        found = await page.eval_on_selector_all("a", "links => links.map((link) => link.getAttribute('href'))")
        pages = [server.page for server in SERVERS if server.page]
        assert {link.url("localhost") for link in [*PLACES.dashboards, *PLACES.logs, *pages]} < set(found)
        assert await page.get_by_text("<b>bold</b>").is_visible()
        await looker.comes_to(["silent"] * len(SERVERS), lambda: looker.texts("table .badge"))
        assert [] == looker.complaints
