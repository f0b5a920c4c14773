"""The console's guard: who is let in, by what name, from which page, and with what."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cart_observability.console.web.guard import LARGEST_BODY, Guard, Rules, is_loopback
from cart_observability.console.web.problem import HANDLERS
from cart_observability.http_server import HttpServer

TOKEN = "a-token-of-this-test"
AT_HOME = Rules.of("127.0.0.1")
ABROAD = Rules.of("0.0.0.0", ["console.example"], TOKEN)
OWN_PAGE = {"Content-Type": "application/json", "X-Cartscope-Console": "1"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def echo(request: Request) -> Response:
    """Say how much was sent."""
    return PlainTextResponse(str(len(await request.body())))


class Visitor:
    """Asks a guarded application; `url` is where it is."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def ask(self, path: str = "/api/thing", method: str = "GET", data: object = None, **headers: str) -> int:
        """The status of an answer."""
        return (await self.answer(path, method, data, {key.replace("_", "-"): headers[key] for key in headers}))[0]

    async def act(self, headers: Mapping[str, str], data: object = b"{}") -> int:
        """The status of the answer to an action, sent as the console's own page does but for these headers."""
        given = {"Origin": self.url, **OWN_PAGE, **headers}
        sent = {name: text for name, text in given.items() if text}
        return (await self.answer("/api/thing", "POST", data, sent))[0]

    async def answer(
        self, path: str, method: str, data: object, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text of an answer."""
        async with self._session.request(method, self.url + path, data=data, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()


@asynccontextmanager
async def guarded(rules: Rules) -> AsyncIterator[Visitor]:
    """A visitor of an application behind a guard."""
    routes = [Route("/", echo), Route("/api/thing", echo, methods=["GET", "POST"])]
    server = HttpServer(Guard(Starlette(routes=routes, exception_handlers=HANDLERS), rules), "127.0.0.1", 0)
    await server.start()
    # Without a jar: what a test wants sent as a cookie it sends.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Visitor(server.url, session)
    await server.stop()


@pytest.mark.parametrize(
    ("host", "status"),
    {
        "127.0.0.1": 200,
        "127.0.0.1:1": 200,
        "localhost:8080": 200,
        "LocalHost": 200,
        "[::1]:8080": 200,
        "evil.example": 421,
        "127.0.0.1.evil.example:8080": 421,
        "127.0.0.1@evil.example": 421,
        "192.168.1.1": 421,
        "[": 421,
    }.items(),
)
async def test_names(host: str, status: int) -> None:
    """A name that leads here by someone else's doing (DNS rebinding) gets nothing, neither page nor data."""
    async with guarded(AT_HOME) as visitor:
        assert [status, status] == [await visitor.ask(path, Host=host) for path in ("/", "/api/thing")]


@pytest.mark.parametrize(
    ("host", "status"), {"console.example": 200, "192.168.1.1:8080": 200, "evil.example": 421}.items()
)
async def test_names_beyond_this_machine(host: str, status: int) -> None:
    """A console that listens everywhere goes by addresses, and by the names that it was told."""
    async with guarded(ABROAD) as visitor:
        assert status == await visitor.ask(Host=host, **BEARER)


async def test_its_own_page_may_act() -> None:
    """What the page sends is taken, by whatever name of this machine the page was opened."""
    async with guarded(AT_HOME) as visitor:
        assert 200 == await visitor.act({})
        assert 200 == await visitor.act({"Host": "localhost:7", "Origin": "http://localhost:7"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"X-Cartscope-Console": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_other_pages_may_not(headers: Mapping[str, str], status: int) -> None:
    """An action that lacks what only the console's own page sends is refused."""
    async with guarded(AT_HOME) as visitor:
        assert status == await visitor.act(headers)


async def test_other_pages_get_no_data() -> None:
    """A page of another site can lead to the console, but asks it nothing."""
    async with guarded(AT_HOME) as visitor:
        assert 200 == await visitor.ask("/", Sec_Fetch_Site="cross-site")
        assert 403 == await visitor.ask(Sec_Fetch_Site="cross-site")
        assert [200, 200] == [await visitor.ask(Sec_Fetch_Site=site) for site in ("same-origin", "none")]


async def test_no_token_is_needed_at_home() -> None:
    """Who listens on loopback alone has no token; who does not has one that is fresh each time."""
    assert AT_HOME.token is None
    assert [True, True, True, False, False] == [
        is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.1")
    ]
    first, second = Rules.of("0.0.0.0").token, Rules.of("192.168.1.1").token
    assert first != second
    assert all(token and len(token) >= 32 for token in (first, second))


async def test_token_beyond_this_machine() -> None:
    """Beyond loopback the page comes without a token, and nothing under /api does."""
    async with guarded(ABROAD) as visitor:
        assert 200 == await visitor.ask("/")
        wrong = ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer \xff"]
        assert [401] * len(wrong) == [await visitor.ask(Authorization=text) for text in wrong]
        assert [401, 200] == [await visitor.act({}), await visitor.act(BEARER)]
        _, headers, text = await visitor.answer("/api/thing", "GET", None, {})
    assert ("application/problem+json", "Bearer") == (headers["Content-Type"], headers["WWW-Authenticate"])
    assert "give the token" in text


async def test_published_on_loopback() -> None:
    """A container whose port is published on loopback shows everything by loopback's names, and acts by the token."""
    rules = Rules.of("0.0.0.0", (), TOKEN, is_published_on_loopback=True)
    async with guarded(rules) as visitor:
        assert [200, 200, 401, 200] == [
            await visitor.ask(),
            await visitor.ask(Host="localhost:8080"),
            await visitor.act({}),
            await visitor.act(BEARER),
        ]
        assert [421, 421] == [await visitor.ask(Host=host) for host in ("console:8080", "10.0.0.7:8080")]


async def test_reading_by_cookie() -> None:
    """Who has shown the token reads on by a cookie, because server-sent events send nothing else; it cannot act."""
    async with guarded(ABROAD) as visitor:
        _, headers, _ = await visitor.answer("/api/thing", "GET", None, BEARER)
        cookie, *attributes = headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/api"} == set(attributes)
        assert TOKEN not in cookie
        assert 200 == await visitor.ask(Cookie=f"other=1; {cookie}")
        assert [401, 401] == [await visitor.ask(Cookie=f"{cookie}0"), await visitor.act({"Cookie": cookie})]


async def test_bodies_are_bounded() -> None:
    """More than the page ever sends is refused, whether its length is told or not."""

    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 1024):
            yield b" " * 1024

    async with guarded(AT_HOME) as visitor:
        assert [200, 413] == [await visitor.act({}, b" " * size) for size in (LARGEST_BODY, LARGEST_BODY + 1)]
        assert [200, 413] == [await visitor.act({}, chunks(size)) for size in (LARGEST_BODY, LARGEST_BODY + 1024)]


async def test_absurd_lengths() -> None:
    """A length that is announced and absurd is refused as too large, not tried."""
    async with guarded(AT_HOME) as visitor:
        host, port = visitor.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST /api/thing HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\nx-cartscope-console: 1\r\n"
            f"content-type: application/json\r\ncontent-length: {'9' * 18}\r\n\r\n".encode()
        )
        assert b"413" in await reader.readline()
        writer.close()


@pytest.mark.parametrize("path", ["/", "/api/thing", "/nowhere"])
async def test_headers(path: str) -> None:
    """Every answer tells the browser to run and load nothing from elsewhere, and to be shown in no other page."""
    async with guarded(AT_HOME) as visitor:
        _, headers, _ = await visitor.answer(path, "GET", None, {})
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy)
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ("nosniff", "no-referrer") == (headers["X-Content-Type-Options"], headers["Referrer-Policy"])
    assert ("no-store" if path.startswith("/api") else "no-cache") == headers["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in headers
