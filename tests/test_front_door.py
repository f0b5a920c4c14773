"""The front door: it leads to everything that there is, says what answers, and lets nothing foreign in."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, async_playwright

from cart_platform.api.server import ApiServer
from cart_platform.errors import UsageError
from cart_platform.front_door.app import create_app
from cart_platform.front_door.checks import Checks
from cart_platform.front_door.page import render
from cart_platform.front_door.places import SERVERS, Link, Places, Server, read_places
from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.documents import ROOT
from support.polling import eventually

PLACES = read_places(ROOT / "grafana/dashboards", ROOT / "elk/kibana")
NOWHERE = "http://127.0.0.1:1/"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def all_links() -> Sequence[Link]:
    """Everything that the page leads to."""
    return [*PLACES.dashboards, *PLACES.logs, *(server.page for server in SERVERS if server.page)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor got."""

    status: int
    headers: Mapping[str, str]
    text: str


Visit = Callable[[str, str], Awaitable[Answer]]
"""Asks for a path under a name of the machine."""


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """A way into a front door where nothing answers."""
    checks = Checks([replace(server, check=NOWHERE) for server in SERVERS])
    server = ApiServer(create_app(PLACES, checks), "127.0.0.1", 0)
    await server.start()
    async with aiohttp.ClientSession(server.url) as session:

        async def visit(path: str, host: str) -> Answer:
            async with session.get(path, headers={"Host": host}) as answer:
                return Answer(answer.status, answer.headers, await answer.text())

        yield visit
    await server.stop()
    await checks.close()


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


def test_first_steps() -> None:
    """What the page says to look at first is there."""
    page = render(PLACES, {}, "localhost")
    for path in ("3000/d/event-way", "5601/app/dashboards#/view/cartscope-handlers", "8000/docs"):
        assert f"http://localhost:{path}" in page
        assert any(f"{link.port}{link.path}".startswith(path) for link in all_links())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_links_keep_the_visitors_name(host: str, visit: Visit) -> None:
    """Links lead to the machine by the name that the visitor called it."""
    page = (await visit("/", f"{host}:8080")).text
    assert all(link.url(host).replace("&", "&amp;") in page for link in all_links())


@pytest.mark.parametrize("host", ["shop.example", "127.0.0.1.example:8080", "10.0.0.1"])
async def test_foreign_names(host: str, visit: Visit) -> None:
    """Under another machine's name the page is not given: a foreign page may have brought the visitor."""
    assert 400 == (await visit("/", host)).status


@pytest.mark.parametrize("path", ["/", "/states", "/assets/page.css", "/nowhere"])
async def test_headers(path: str, visit: Visit) -> None:
    """Nothing is loaded, framed or sent but what is the page's own."""
    headers = (await visit(path, "localhost")).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert "'none'" == policy["default-src"] == policy["frame-ancestors"] == policy["form-action"]
    assert {"'self'", "'none'"} == set(policy.values())
    assert "nosniff" == headers["X-Content-Type-Options"]


def test_texts_are_escaped() -> None:
    """A title that looks like markup is shown, not obeyed."""
    places = Places([Link("<b>", "<script>", 1, '/"onclick="')], [], [])
    page = render(places, {}, "localhost")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert '"onclick="' not in page


@pytest.mark.parametrize(("name", "text"), [("a.txt", "{}"), ("a.json", "{")])
def test_unreadable_folders(name: str, text: str, tmp_path: Path) -> None:
    """A folder without dashboards, or with a broken one, ends the start with one line."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=r"there is no \*.json in|is not JSON"):
        read_places(tmp_path, ROOT / "elk/kibana")


@pytest.fixture
async def door() -> AsyncIterator[ApiServer]:
    """A front door that knows of two servers: itself, which answers, and one that does not."""
    [port] = free_ports(1)
    servers = [
        Server("Well", "answers", f"http://127.0.0.1:{port}/assets/icon.svg"),
        Server("Gone", "does not", NOWHERE),
    ]
    checks = Checks(servers)
    server = ApiServer(create_app(replace(PLACES, servers=servers), checks), "127.0.0.1", port)
    await server.start()
    yield server
    await server.stop()
    await checks.close()


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
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    program = shutil.which("chromium")
    if program is None:
        skip_or_fail("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser
        await browser.close()


@pytest.mark.parametrize("width", [360, 1280])
async def test_in_a_browser(width: int, browser: Browser, door: ApiServer) -> None:
    """The page fits a small screen, breaks no rule of its own policy, loads nothing foreign, and shows who answers."""
    page = await browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    await page.goto(door.url)
    assert width >= await page.evaluate("document.documentElement.scrollWidth")
    shown = {"Well": "answers", "Gone": "silent"}
    for name, state in shown.items():
        assert state == await page.locator(f"[data-server={name}]").inner_text()
    await page.evaluate("document.querySelector('[data-server=Gone]').textContent = 'unknown'; refresh()")
    cell = page.locator("[data-server=Gone]")

    async def refreshed() -> bool:
        return await cell.inner_text() == "silent"

    await eventually(refreshed)
    assert ([], {door.url.removeprefix("http://")}) == (complaints, hosts)
