"""What the shipper does when Elasticsearch is away, short of room, or refuses a line."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cart_observability.elastic import shipper, template
from cart_observability.elastic.client import ElasticError
from cart_platform.lifetime import Stop
from support.bulk_server import BulkServer, bulk_server
from support.polling import eventually

LINE = {"@timestamp": "2026-11-24T12:00:00.250Z", "event.action": "event.handled"}


class Shipping:
    """A shipper at work on a folder of its own, and what it reports."""

    def __init__(self, folder: Path, server: BulkServer) -> None:
        self.logs, self.output = folder / "logs", folder / "output"
        self.reported: list[str] = []
        self.stop = Stop()
        self._state = folder / "positions.json"
        self._server = server
        self._number = 0
        for each in (self.logs, self.output):
            each.mkdir(exist_ok=True)

    def write(self, count: int, file: str = "cartscope-relay.log", **fields: Any) -> None:
        """Log some lines, numbered on."""
        with (self.logs / file).open("a") as log:
            for _ in range(count):
                self._number += 1
                log.write(json.dumps(LINE | {"number": self._number} | fields) + "\n")

    async def run(self) -> Counter[str]:
        """Ship until stopped."""
        self.stop = Stop()
        return await self._ship()

    async def all(self) -> Counter[str]:
        """Ship what is there."""
        self.stop = Stop()
        self.stop.set()
        return await self._ship()

    async def _ship(self) -> Counter[str]:
        return await shipper.ship(
            self._server.url, self.logs, self.output, self._state, {}, self.reported.append, self.stop
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ship for as long as the block lasts, and then what is left."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.stop.set()
            await task


@pytest.fixture
async def server() -> AsyncIterator[BulkServer]:
    """A server that takes everything."""
    async with bulk_server() as each:
        yield each


@pytest.fixture
def shipping(tmp_path: Path, server: BulkServer) -> Shipping:
    """A shipper that has nothing to do yet."""
    return Shipping(tmp_path, server)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a test's length."""
    monkeypatch.setattr(shipper, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(shipper, "LONGEST_WAIT_SECONDS", 0.1)


async def test_lines_arrive(shipping: Shipping, server: BulkServer) -> None:
    """Log lines and what servers print arrive while they are written, each in its stream."""
    async with shipping.running():
        shipping.write(3)
        await eventually(lambda: len(server.documents(template.LINES)) == 3)
        shipping.write(2)
        (shipping.output / "redis.log").write_text("Ready to accept connections\n")
        await eventually(lambda: len(server.documents(template.LINES)) == 5)
    (said,) = server.documents(template.STACK)
    assert ("redis", "Ready to accept connections") == (said["service.name"], said["message"])


async def test_the_end_ships_what_is_left(shipping: Shipping, server: BulkServer) -> None:
    """What was written before the stop is shipped before the end."""
    shipping.write(5000)
    assert Counter(indexed=5000) == await shipping.all()
    assert 5000 == len(server.documents(template.LINES))


async def test_a_new_shipper_goes_on(shipping: Shipping, server: BulkServer) -> None:
    """A shipper that starts anew sends what came since, and nothing that was there before."""
    shipping.write(3)
    await shipping.all()
    shipping.write(2)
    assert Counter(indexed=2) == await shipping.all()


async def test_lost_positions(shipping: Shipping, server: BulkServer, tmp_path: Path) -> None:
    """A shipper that has lost its positions sends everything again, and nothing is there twice."""
    shipping.write(3)
    await shipping.all()
    (tmp_path / "positions.json").unlink()
    assert Counter(known=3) == await shipping.all()
    assert 3 == len(server.documents(template.LINES))


async def test_away(shipping: Shipping, server: BulkServer) -> None:
    """While the server is away lines wait in their files; when it is back all arrive; each is told once."""
    shipping.write(1)
    async with shipping.running():
        await eventually(lambda: len(server.documents(template.LINES)) == 1)
        await server.stop()
        shipping.write(100)
        await eventually(lambda: len(shipping.reported) == 1)
        shipping.write(100)
        await server.start()
        await eventually(lambda: len(server.documents(template.LINES)) == 201)
        await eventually(lambda: len(shipping.reported) == 2)
    away, back = shipping.reported
    assert "takes no log lines" in away
    assert "takes log lines again" in back


async def test_the_end_of_an_outage_is_not_waited_for(shipping: Shipping, server: BulkServer) -> None:
    """A shipper that is stopped while the server is away ends, and a new one sends what was left."""
    shipping.write(7)
    await server.stop()
    assert Counter() == await shipping.all()
    await server.start()
    assert Counter(indexed=7) == await shipping.all()


@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 503])
async def test_a_request_refused(shipping: Shipping, server: BulkServer, status: int) -> None:
    """A request that is refused as a whole is sent again until it is taken: none of its lines is given up."""
    server.status = status
    async with shipping.running():
        shipping.write(10)
        await eventually(lambda: len(server.requests) >= 3)
        server.status = 200
        await eventually(lambda: len(server.documents(template.LINES)) == 10)
    assert not server.documents(template.UNPARSED)
    assert str(status) in shipping.reported[0]


@pytest.mark.parametrize("status", [429, 503, 403, 404])
async def test_some_lines_not_taken(shipping: Shipping, server: BulkServer, status: int) -> None:
    """Lines that the server has no room for are sent again, those that it took are not."""
    full = True
    server.verdict = lambda _stream, document: status if full and document["number"] % 10 == 0 else 201
    async with shipping.running():
        shipping.write(100)
        await eventually(lambda: server.requests[1:3] == [10, 10])
        full = False
        await eventually(lambda: len(server.documents(template.LINES)) == 100)
    assert not server.documents(template.UNPARSED)


async def test_a_line_that_a_mapping_refuses(shipping: Shipping, server: BulkServer) -> None:
    """A line that its stream refuses is kept with the reason, and does not hold up the others."""
    server.verdict = lambda stream, fields: 400 if stream == template.LINES and fields["number"] == 2 else 201
    shipping.write(3)
    assert Counter(indexed=2, unparsed=1) == await shipping.all()
    (kept,) = server.documents(template.UNPARSED)
    assert ("some_exception", "answered 400") == (kept["error.type"], kept["error.message"])
    assert 2 == json.loads(kept["event.original"])["number"]


async def test_a_line_that_nobody_takes(shipping: Shipping, server: BulkServer) -> None:
    """A line that both streams refuse is told to a person, counted, and does not hold up the others."""
    server.verdict = lambda stream, fields: 400 if fields.get("number") == 2 or stream == template.UNPARSED else 201
    shipping.write(3)
    assert Counter(indexed=2, refused=1) == await shipping.all()
    (told,) = shipping.reported
    assert "cartscope-relay.log is refused" in told


async def test_batches_are_bounded(shipping: Shipping, server: BulkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far the shipper is behind, it holds one batch, and so does each request."""
    monkeypatch.setattr(shipper, "BATCH_BYTES", 20_000)
    shipping.write(1000, message="x" * 100)
    assert Counter(indexed=1000) == await shipping.all()
    assert max(server.requests) < 100


async def test_nothing_is_read_while_the_server_is_away(
    shipping: Shipping, server: BulkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shipper that cannot send does not gather what it cannot send."""
    monkeypatch.setattr(shipper, "BATCH_BYTES", 20_000)
    server.status = 503
    async with shipping.running():
        shipping.write(1000, message="x" * 100)
        await eventually(lambda: len(server.requests) >= 3)
        shipping.write(1000, message="x" * 100)
        await eventually(lambda: len(server.requests) >= 6)
        assert 1 == len(set(server.requests))
        server.status = 200
    assert 2000 == len(server.documents(template.LINES))


async def test_rotation(shipping: Shipping, server: BulkServer) -> None:
    """Lines written before, between and after rotations all arrive once."""
    log = shipping.logs / "cartscope-relay.log"
    async with shipping.running():
        for older in range(3):
            shipping.write(50)
            log.rename(log.with_name(f"{log.name}.{3 - older}"))
        shipping.write(50)
        await eventually(lambda: len(server.documents(template.LINES)) == 200)
    assert {str(log)} == {document["log.file.path"] for document in server.documents(template.LINES)}


async def test_templates_come_first(shipping: Shipping, server: BulkServer, tmp_path: Path) -> None:
    """No line is sent before the server knows how to keep it."""
    templates = {"_component_template/some": {"template": {}}, "_index_template/some": {"index_patterns": ["x"]}}
    stop = Stop()
    await server.stop()
    task = asyncio.create_task(
        shipper.ship(
            server.url, shipping.logs, shipping.output, tmp_path / "state", templates, shipping.reported.append, stop
        )
    )
    await eventually(lambda: bool(shipping.reported))
    await server.start()
    await eventually(lambda: server.put == templates)
    stop.set()
    await task


async def test_a_server_that_is_no_elasticsearch(shipping: Shipping, server: BulkServer) -> None:
    """An answer that is none of Elasticsearch's is an outage, not the end."""
    server.verdict = _nonsense
    shipping.write(1)
    async with shipping.running():
        await eventually(lambda: len(shipping.reported) == 1)
        server.verdict = lambda _stream, _document: 201
        await eventually(lambda: len(server.documents(template.LINES)) == 1)


def _nonsense(_stream: str, _document: dict[str, Any]) -> Any:
    return "nonsense"


def test_an_error_says_what_was_asked() -> None:
    """An error carries HTTP's status."""
    assert 400 == ElasticError("PUT x: 400 no", 400).status
