"""A console from its start to its end: on one file, at one address, and in a process that may be another's."""

import asyncio
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from cart_observability.console.console import Console, Place
from cart_observability.http_server import CannotListen
from support.console_running import EVENT, export, made, watching
from support.polling import eventually

pytest_plugins = ["support.console_fixtures"]


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """Started anew on its file, the console knows what it knew, and reads on where it was: nothing is there twice."""
    async with watching(tmp_path) as console:
        await console.log({"message": "before"})
        await export(console.otlp, *made().all)
    with (tmp_path / "logs" / "tested.log").open("a") as file:
        file.write(json.dumps({"@timestamp": datetime.now(UTC).isoformat(), "message": "meanwhile"}) + "\n")
    async with watching(tmp_path) as console:
        await console.log({"message": "after"})
        found = await console.ask("/api/lines", from_=0)
        assert ["after", "before", "meanwhile"] == sorted(line["message"] for line in found["lines"])
        assert EVENT == (await console.ask(f"/api/events/{EVENT}"))["event"]["id"]


async def test_one_console_a_file(tmp_path: Path) -> None:
    """A second console on a file is refused, because everything would be there twice, and the first goes on."""
    async with watching(tmp_path) as console:
        second = Console(tmp_path / "console.db", title="Second", targets=dict)
        with pytest.raises(OSError, match=r"a console keeps .*console\.db already \(process \d+\)"):
            async with second.recording("127.0.0.1", 0):
                pass
        await console.log({"message": "undisturbed"})


async def test_the_file_is_private(tmp_path: Path) -> None:
    """What is kept can be read by its owner alone."""
    async with watching(tmp_path) as console:
        await console.log({"message": "a secret"})
        names = ("console.db", "console.db-shm", "console.db-wal", "console.db.lock")
        assert dict.fromkeys(names, 0o600) == modes(tmp_path)


def modes(folder: Path) -> dict[str, int]:
    """The modes of the files in a folder, by name."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A file that is no console's is named, and left as it is."""
    (tmp_path / "console.db").write_text("a diary, and no database\n" * 100)
    with pytest.raises(OSError, match=r"cannot keep signals in .*console\.db"):
        async with watching(tmp_path):
            pass
    assert "a diary" in (tmp_path / "console.db").read_text()


async def test_a_port_in_use(tmp_path: Path) -> None:
    """A page that cannot be served says so, and nothing of the console is left behind."""
    async with watching(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
        (tmp_path / "other").mkdir()
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}"):
            async with watching(tmp_path / "other", place=Place("127.0.0.1", port)):
                pass
    async with watching(tmp_path / "other") as other:
        await other.ask("/api/overview")


async def test_beyond_this_machine(tmp_path: Path) -> None:
    """Who listens beyond loopback gives the page's address with a token, and tells nothing without it."""
    async with watching(tmp_path, place=Place("0.0.0.0", 0)) as console:
        head, _, token = console.address.partition("/#token=")
        assert head.startswith("http://localhost:")
        assert [200, 401] == [(await console.get(path)).status for path in ("/", "/api/overview")]
        answer = await console.get("/api/overview", {"Authorization": f"Bearer {token}"})
        assert (200, True) == (answer.status, answer.json["needs_token"])
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert [200, 401] == [(await console.get("/api/way", {"Cookie": text})).status for text in (cookie, "cookie=1")]


async def test_the_end_comes_soon(tmp_path: Path) -> None:
    """A console that ends keeps nobody waiting, though pages are open and listening."""
    async with aiohttp.ClientSession() as session:
        async with watching(tmp_path) as console:
            streams = [await session.get(f"{console.url}/api/live") for _ in range(5)]
            for stream in streams:
                await stream.content.readuntil(b"\n\n")
            ending = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - ending < 5
        for stream in streams:
            await stream.read()


async def test_a_guest_that_is_watched(tmp_path: Path) -> None:
    """Somebody looks on while a page listens, and nobody does when it is closed."""
    console = Console(tmp_path / "console.db", title="Tested", targets=dict, is_guest=True)
    pace = console._pace
    async with (
        console.recording("127.0.0.1", 0),
        console.serving(Place("127.0.0.1", 0)) as address,
        aiohttp.ClientSession() as session,
    ):
        assert not pace.is_watched()
        async with session.get(f"{address}/api/live") as page:
            await page.content.readuntil(b"\n\n")
            assert pace.is_watched()
        await eventually(lambda: not pace.is_watched())
