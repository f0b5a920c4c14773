"""One command asked until there is an answer."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest
from aiohttp import web

from cart_platform.errors import Unavailable, UsageError
from cart_platform.shoppers.answer import ACCEPTED, Answer, read_answer
from cart_platform.shoppers.client import Client
from cart_platform.shoppers.request import add_item, change_quantity, check_out, remove_item
from support.shop_server import Asked, Drop, ShopServer, problem

COMMAND = add_item("a/b", "rolls/buns", 2, "key-1")


class Asker(Client):
    """A client that keeps the troubles it had."""

    def __init__(self, url: str, wait: int | None = None, patience: float = 20) -> None:
        self.troubles: Counter[str] = Counter()
        self.in_trouble = asyncio.Event()
        super().__init__(url, wait=wait, patience=patience, on_trouble=self._count)

    def _count(self, kind: str) -> None:
        self.troubles[kind] += 1
        self.in_trouble.set()


@pytest.fixture(name="server")
async def accepting_server() -> AsyncIterator[ShopServer]:
    """A server that accepts everything."""
    async with ShopServer() as server:
        yield server


async def test_requests_as_the_api_has_them(server: ShopServer) -> None:
    """Each command has its method, its path with every identifier in one segment, its body and its key."""
    commands = [
        COMMAND,
        change_quantity("a/b", "rolls/buns", 3, "key-2"),
        remove_item("a/b", "rolls/buns", "key-3"),
        check_out("a/b", "key-4"),
    ]
    async with Asker(f"{server.url}/") as client:
        assert [await client.send(command) for command in commands] == [ACCEPTED] * 4
    assert [(one.method, one.path, one.body, one.key, one.prefer) for one in server.asked] == [
        ("POST", "/carts/a%2Fb/items", {"product": "rolls/buns", "quantity": 2}, "key-1", None),
        ("PATCH", "/carts/a%2Fb/items/rolls%2Fbuns", {"quantity": 3}, "key-2", None),
        ("DELETE", "/carts/a%2Fb/items/rolls%2Fbuns", None, "key-3", None),
        ("POST", "/carts/a%2Fb/checkout", None, "key-4", None),
    ]


async def test_waiting_for_results(server: ShopServer) -> None:
    """The API is asked to wait when the client is told to."""
    async with Asker(server.url, wait=5) as client:
        await client.send(COMMAND)
    assert [one.prefer for one in server.asked] == ["wait=5"]


async def test_refusals_are_final() -> None:
    """A refusal is not asked again; its reason is the last segment of the problem's type."""

    async def refuse(_: Asked) -> web.Response:
        return problem(422, "cart_checked_out")

    async with ShopServer(refuse) as server, Asker(server.url) as client:
        assert await client.send(COMMAND) == Answer(reason="cart_checked_out")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_trouble_passes(status: int) -> None:
    """A server in trouble is asked again with the same key until it accepts."""

    async def twice_in_trouble(_: Asked) -> web.Response | None:
        return web.Response(status=status, headers={"Retry-After": "0"}) if len(server.asked) < 3 else None

    async with ShopServer(twice_in_trouble) as server, Asker(server.url) as client:
        assert await client.send(COMMAND) == ACCEPTED
    assert [one.key for one in server.asked] == ["key-1"] * 3
    assert client.troubles == {f"http {status}": 2}


async def test_lost_answer() -> None:
    """A connection that ends before the answer is not taken for a refusal: the same key is sent again."""

    async def lose_the_first(_: Asked) -> None:
        if len(server.asked) == 1:
            raise Drop

    async with ShopServer(afterwards=lose_the_first) as server, Asker(server.url) as client:
        assert await client.send(COMMAND) == ACCEPTED
    assert [one.key for one in server.asked] == ["key-1"] * 2
    assert len(server.effects) == 1
    assert client.troubles.total() == 1


async def test_restart(server: ShopServer) -> None:
    """A server that is down refuses connections; a command waits for its return."""
    async with Asker(server.url) as client:
        await server.stop()
        sending = asyncio.create_task(client.send(COMMAND))
        async with asyncio.timeout(20):
            await client.in_trouble.wait()
        await server.start()
        assert await sending == ACCEPTED
    assert set(client.troubles) == {"connection refused"}


async def test_patience_ends() -> None:
    """A command is given up with its last trouble once patience ends."""

    async def always_in_trouble(_: Asked) -> web.Response:
        return web.Response(status=503)

    async with ShopServer(always_in_trouble) as server, Asker(server.url, patience=0.2) as client:
        assert await client.send(COMMAND) == Answer(trouble="http 503")
    assert len(server.asked) == client.troubles.total() + 1


async def test_pause_beyond_patience() -> None:
    """A server that asks to be left alone for longer than patience lasts is not waited for."""

    async def come_back_tomorrow(_: Asked) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "86400"})

    async with ShopServer(come_back_tomorrow) as server, Asker(server.url) as client:
        assert await client.send(COMMAND) == Answer(trouble="http 503", pause=86400)
    assert len(server.asked) == 1


async def test_patience_is_shared() -> None:
    """While nobody is answered, commands that follow the one given up are hardly tried again, not each for so long."""

    async def always_in_trouble(_: Asked) -> web.Response:
        return web.Response(status=503)

    async with ShopServer(always_in_trouble) as server, Asker(server.url, patience=0.2) as client:
        await client.send(COMMAND)
        before = len(server.asked)
        for number in range(100):
            await client.send(add_item("cart", "milk", 1, f"later-{number}"))
    # Alone, each would be tried three times and more.
    assert before + 100 <= len(server.asked) < before + 150


async def test_nobody_there(server: ShopServer) -> None:
    """An API that cannot be reached is told in one line."""
    await server.stop()
    async with Asker(server.url) as client:
        with pytest.raises(Unavailable, match=r"cannot reach the API at http://127.0.0.1:\d+ \(connection refused\)"):
            await client.greet(patience=0.1)
    await server.start()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "localhost", "ftp://host", "http://", "http://host:port"])
def test_url_that_is_none(url: str) -> None:
    """What is no http URL is told in one line."""
    with pytest.raises(UsageError, match="no URL of an API"):
        Asker(url)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"type":"https://h/problems/invalid_quantity","title":"x"}', "invalid_quantity"),
        (b'{"type":"/problems/cart_full/"}', "cart_full"),
        (b'{"type":"about:blank"}', "http_404"),
        (b"{}", "http_404"),
        (b'{"type":7}', "http_404"),
        (b'{"type":""}', "http_404"),
        (b"<html>", "http_404"),
        (b"", "http_404"),
    ],
)
def test_reasons(body: bytes, reason: str) -> None:
    """A refusal is named by its problem type, or by its status when it has none."""
    assert read_answer(404, {}, body) == Answer(reason=reason)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("3", 3, 3),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-1", 0, 0),
        (formatdate(time.time() + 86_400, usegmt=True), 80_000, 86_400),
    ],
)
def test_retry_after(value: str, least: float, most: float) -> None:
    """Seconds and dates are understood, anything else asks for no pause."""
    assert least <= read_answer(503, {"Retry-After": value}, b"").pause <= most
