"""The API behind its real server: connections, limits, disconnects, shutdown."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from cart_observability.http_server import HttpServer
from cart_platform.api.routing import READ_BEYOND
from cart_platform.errors import CartscopeError, Overloaded
from cart_platform.listening import listen
from support.api import Api, result_of
from support.polling import eventually

SLOW = 10.0
"""Seconds within which everything here must have happened."""


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[HttpServer]:
    """The API on a free port."""
    server = HttpServer(api.app, "127.0.0.1", 0)
    api.waiters.start()
    async with asyncio.timeout(SLOW):
        await server.start()
        try:
            yield server
        finally:
            await api.waiters.close()
            await server.stop()


async def exchange(server: HttpServer, request: bytes) -> bytes:
    """What the server says to the bytes of a request, up to the end of the connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_requests_over_one_connection() -> None:
    """Requests share a connection, and an encoded slash arrives as it was sent."""
    api = Api()
    async with serving(api) as server, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        url = URL(f"{server.url}/carts/a%2Fb/items", encoded=True)
        for _ in range(3):
            async with session.post(url, json={"product": "rolls/buns"}) as response:
                assert response.status == 202
                assert response.headers["Location"].startswith("/events/")
        async with session.head(f"{server.url}/livez") as response:
            assert await response.read() == b""
    assert api.store.carts["a/b"].items == {"rolls/buns": 3}


async def test_large_body_hears_an_answer() -> None:
    """A client that sends too much is told so rather than cut off, be its body measured or chunked."""
    api = Api()
    async with serving(api) as server, aiohttp.ClientSession() as session:
        headers = {"Content-Type": "application/json"}
        for data in (b" " * 500_000, chunked(50)):
            async with session.post(f"{server.url}/carts/c/items", data=data, headers=headers) as response:
                assert response.status == 413
                assert (await response.json(content_type=None))["type"] == "/problems/body_too_large"


async def chunked(count: int) -> AsyncIterator[bytes]:
    """Chunks of 10,000 bytes."""
    for _ in range(count):
        yield b" " * 10_000


async def test_endless_body_is_cut_off() -> None:
    """A body without an end is not read for ever."""
    async with serving(Api()) as server:
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"POST /carts/c/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await send_chunks(writer, 100 * READ_BEYOND)
        writer.close()


async def send_chunks(writer: asyncio.StreamWriter, size: int) -> None:
    """That many bytes of a chunked body."""
    for _ in range(size // 10_000):
        writer.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "request_line",
    [b"GARBAGE", b"GET /a b HTTP/1.1", b"GET /\xff\x00 HTTP/1.1", b"GET /" + b"a" * 500_000 + b" HTTP/1.1"],
    ids=["no request", "space in path", "raw bytes in path", "very long path"],
)
async def test_malformed_request(request_line: bytes) -> None:
    """What is not HTTP is refused by the server itself, as the client's fault."""
    async with serving(Api()) as server:
        answer = await exchange(server, request_line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "))


async def test_client_leaves() -> None:
    """A client that closes its connection is not waited for."""
    api = Api()
    async with serving(api) as server:
        _, writer = await asyncio.open_connection(server.host, server.port)
        body = b'{"product":"milk"}'
        writer.write(
            b"POST /carts/c/items HTTP/1.1\r\nhost: x\r\nprefer: wait=60\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        await until_waiting(api, 1)
        writer.close()
        await until_waiting(api, 0)


async def until_waiting(api: Api, count: int) -> None:
    """Return when that many requests wait for results."""
    await eventually(lambda: api.telemetry.registry.get_sample_value("cartscope_api_waiters") == count, SLOW)


async def test_waiting_over_http() -> None:
    """A result that comes over the bus ends the wait of its request."""
    api = Api()
    async with serving(api) as server, aiohttp.ClientSession() as session:
        asked = asyncio.create_task(post(session, f"{server.url}/carts/c/items", {"Prefer": "wait=60"}))
        await until_waiting(api, 1)
        [recorded] = api.store.recorded.values()
        for handler in ("threshold", "popularity"):
            await api.bus.send(api.waiters.address, result_of(recorded.event, handler))
        assert await asked == 200


async def post(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> int:
    """The status of putting milk into a cart."""
    async with session.post(url, json={"product": "milk"}, headers=headers) as response:
        return response.status


async def test_overload_over_http() -> None:
    """Under overload the client is told when to come back."""
    api = Api()
    api.store.failure = Overloaded("2,000 items wait already")
    async with (
        serving(api) as server,
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/carts/c/items", json={"product": "milk"}) as response,
    ):
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"


async def test_stop_with_open_connections() -> None:
    """Stopping closes idle connections and lets a request under way have its answer."""
    api = Api()
    api.store.gate = asyncio.Event()
    server = HttpServer(api.app, "127.0.0.1", 0)
    async with asyncio.timeout(SLOW):
        await server.start()
        async with aiohttp.ClientSession() as session:
            idle_reader, idle_writer = await asyncio.open_connection(server.host, server.port)
            idle_writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await idle_reader.readline()).startswith(b"HTTP/1.1 200")
            asked = asyncio.create_task(post(session, f"{server.url}/carts/c/items", {}))
            await until_under_way(api)
            stopping = asyncio.create_task(server.stop())
            api.store.gate.set()
            assert await asked == 202
            await stopping
            assert (await idle_reader.read()).endswith(b'{"status":"alive"}')
            idle_writer.close()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(server.host, server.port)


async def until_under_way(api: Api) -> None:
    """Return when a command waits at the store's gate."""
    gate: Any = api.store.gate
    await eventually(lambda: bool(gate._waiters), SLOW)


async def test_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that does not end does not keep the server from stopping."""
    monkeypatch.setattr("cart_observability.http_server.GRACE", 0.1)
    api = Api()
    api.store.gate = asyncio.Event()
    server = HttpServer(api.app, "127.0.0.1", 0)
    async with asyncio.timeout(SLOW):
        await server.start()
        async with aiohttp.ClientSession() as session:
            asked = asyncio.create_task(post(session, f"{server.url}/carts/c/items", {}))
            await until_under_way(api)
            await server.stop()
            asked.cancel()
            api.store.gate.set()


async def test_port_in_use() -> None:
    """A port in use is one clear line, whether another server or another API has it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refusal = rf"the API cannot listen on 127.0.0.1:{port} \(address already in use\): .*, or set --port"
        with pytest.raises(CartscopeError, match=refusal):
            await listen(HttpServer(Api().app, "127.0.0.1", port), "the API", "--port")
    async with serving(Api()) as server:
        with pytest.raises(OSError, match="address already in use"):
            await HttpServer(Api().app, "127.0.0.1", server.port).start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "no..name"])
async def test_address_that_is_none(host: str) -> None:
    """An address that is not this machine's is one clear line."""
    with pytest.raises(OSError, match="cannot listen on"):
        await HttpServer(Api().app, host, 0).start()


async def test_signals_and_output_are_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """The server takes no signals and prints nothing: both are the caller's."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(Api()):
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert ("", "") == capfd.readouterr()


async def test_serve_until_stopped() -> None:
    """`serve` returns when the server is stopped from elsewhere; stopping what never started does nothing."""
    server = HttpServer(Api().app, "localhost", 0)
    await server.stop()
    served = asyncio.create_task(server.serve())
    async with asyncio.timeout(SLOW):
        await eventually(lambda: listening(server))
        await server.stop()
        await served


async def listening(server: HttpServer) -> bool:
    """Whether the server takes connections."""
    try:
        _, writer = await asyncio.open_connection(server.host, server.port or 1)
    except OSError:
        return False
    writer.close()
    return True


async def test_many_idle_connections() -> None:
    """Idle connections do not keep others from being served."""
    async with serving(Api()) as server:
        idle = [await asyncio.open_connection(server.host, server.port) for _ in range(300)]
        answer = await exchange(server, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        for _, writer in idle:
            writer.close()
