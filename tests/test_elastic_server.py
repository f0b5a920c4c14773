"""Elasticsearch as a run starts it: which one is found, how it is configured, how it ends."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cart_platform.native import elasticsearch_server as native
from cart_platform.native import installed
from support.elasticsearch_server import ElasticsearchServer


def home(folder: Path, *modules: str) -> Path:
    """The executable in a home folder with some modules."""
    executable = folder / "bin" / "elasticsearch"
    executable.parent.mkdir(parents=True)
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    for module in modules:
        (folder / "modules" / module).mkdir(parents=True)
    return executable


def settings(executable: Path, folder: Path) -> dict[str, Any]:
    """What the node is told."""
    program = native.program(str(executable), folder, 1, 2)
    written = Path(program.environment["ES_PATH_CONF"]) / "elasticsearch.yml"
    content: dict[str, Any] = json.loads(written.read_text())
    return content


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH that leads to nothing but java."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text("#!/bin/sh\n")
    (tmp_path / "bin/java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cartscope" / "elasticsearch-8.19.0"


def test_none_is_found(cache: Path) -> None:
    """Where there is none, none is found, and a home that is half laid out is none."""
    assert installed.elasticsearch() is None
    (cache / "lib").mkdir(parents=True)
    assert installed.elasticsearch() is None


def test_the_core_is_found(cache: Path) -> None:
    """The core in the cache is found where there is a Java to run it."""
    executable = home(cache, "transport-netty4")
    assert str(executable) == installed.elasticsearch()
    (cache.parents[2] / "bin" / "java").unlink()
    assert installed.elasticsearch() is None


def test_path_comes_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on PATH is taken before the one in the cache, but for a distribution by root, for whom it does not run."""
    core = home(cache, "transport-netty4")
    distribution = home(tmp_path / "distribution", "x-pack-core")
    monkeypatch.setenv("PATH", f"{distribution.parent}:{tmp_path / 'bin'}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert str(distribution) == installed.elasticsearch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert str(core) == installed.elasticsearch()


def test_a_distribution_is_told_more(tmp_path: Path) -> None:
    """A distribution, linked to or wrapped, serves without passwords; the core is not told of what it lacks."""
    core = home(tmp_path / "core", "transport-netty4")
    distribution = home(tmp_path / "distribution", "transport-netty4", "x-pack-core")
    wrapped = home(tmp_path / "wrapped")
    (tmp_path / "link").symlink_to(distribution)
    for executable in (distribution, wrapped, tmp_path / "link"):
        assert settings(executable, tmp_path / "data")["xpack.security.enabled"] is False
    assert [] == [name for name in settings(core, tmp_path / "data") if name.startswith(("xpack", "ingest"))]


def test_it_listens_to_this_machine_alone(tmp_path: Path) -> None:
    """Nobody outside reaches a node that asks for no password."""
    told = settings(home(tmp_path / "core", "transport-netty4"), tmp_path / "folder with spaces: 1")
    assert ("127.0.0.1", 1, 2) == (told["network.host"], told["http.port"], told["transport.port"])
    assert str(tmp_path / "folder with spaces: 1/data") == told["path.data"]


async def test_it_ends_in_order_and_keeps_its_data(elasticsearch_server: ElasticsearchServer) -> None:
    """Asked to end, the node ends by itself; started again, it has what it had."""
    elasticsearch_server.ask("PUT", "kept/_doc/1?refresh=true", {"message": "kept"})
    os.kill(elasticsearch_server.pid, signal.SIGTERM)
    node = elasticsearch_server._main._process
    assert node is not None
    assert 128 + signal.SIGTERM == await asyncio.to_thread(node.wait, 30)
    await asyncio.to_thread(elasticsearch_server.start)
    assert "kept" == elasticsearch_server.ask("GET", "kept/_doc/1")["_source"]["message"]
