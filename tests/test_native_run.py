"""A whole native run on real servers, seen from outside: by its running.json, its addresses and its processes."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
import redis

from cart_platform.data_folder import DataFolder
from cart_platform.native import installed, leftovers, probe, resumed_servers
from conftest import skip_or_fail
from support.program import WITHOUT_ELASTICSEARCH
from support.servers import RabbitServer, RedisServer, wait_until

RUN = Path(__file__).parent / "support" / "native_run.py"
CARTSCOPE = {"api", "relay", "worker-threshold", "worker-popularity"}


@dataclass
class Run:
    """A native run as a child process, in a process group of its own as a shell would give it."""

    folder: Path
    process: "subprocess.Popen[str]"

    @property
    def running(self) -> dict[str, Any]:
        """What running.json says."""
        content: dict[str, Any] = json.loads((self.folder / "running.json").read_text())
        return content

    def pid(self, name: str) -> int | None:
        """Process id of a part, None while it is down."""
        found: int | None = self.running["processes"].get(name)
        return found

    def kill(self, name: str) -> None:
        """End a part by SIGKILL and wait until running.json shows it under another id."""
        before = self.pid(name)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.pid(name) not in {None, before}, f"{name} under a new process id")

    def end(self, number: signal.Signals) -> dict[str, int]:
        """Send the signal to the whole group as Ctrl-C does and give the counts of restarts."""
        os.killpg(self.process.pid, number)
        output, _ = self.process.communicate(timeout=60)
        return dict(json.loads(output.splitlines()[-1]))


def launch(folder: Path) -> "subprocess.Popen[str]":
    """Start a native run on the folder."""
    return subprocess.Popen(
        [sys.executable, RUN, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(RUN.parents[1])} | WITHOUT_ELASTICSEARCH,
    )


@contextmanager
def native_run(folder: Path) -> Iterator[Run]:
    """A started native run; killed at the end if the test has not ended it."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    process = launch(folder)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "started\n":
            _, said = process.communicate()
            raise AssertionError(said)
        yield Run(folder, process)
    finally:
        process.kill()
        process.communicate()
        leftovers.end(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run for the tests that leave it running."""
    with native_run(tmp_path_factory.mktemp("native")) as started:
        yield started


def test_running_file(run: Run) -> None:
    """running.json names every process, address and folder, and only its owner may read it."""
    running = run.running
    watchers = set(installed.servers().watchers) - {"elasticsearch"}
    assert CARTSCOPE | {"console", "redis", "rabbitmq", "epmd"} | watchers == set(running["processes"])
    assert {"api", "console", "store", "bus", "metrics"} | watchers == set(running["urls"])
    assert set(running["urls"]["metrics"]) == CARTSCOPE
    assert {"logs": str(run.folder / "logs"), "mail": str(run.folder / "mail")} == running["folders"]
    assert stat.S_IMODE((run.folder / "running.json").stat().st_mode) == 0o600


def test_killed_redis_comes_back(run: Run) -> None:
    """Redis killed by -9 runs again on its address with every write that it had acknowledged."""
    with redis.Redis.from_url(run.running["urls"]["store"]) as client:
        client.set("cart", "kept")
        run.kill("redis")
        port = client.connection_pool.connection_kwargs["port"]
        wait_until(lambda: probe.accepts(port), "redis")
        assert client.get("cart") == b"kept"
        assert client.config_get("appendfsync", "maxmemory-policy", "appendonly") == {
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
        }


def test_killed_rabbitmq_comes_back(run: Run) -> None:
    """RabbitMQ killed by -9 runs again on its address with every message that it had confirmed."""
    parameters = pika.URLParameters(run.running["urls"]["bus"])
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True)
        channel.basic_publish("", "kept", b"message", pika.BasicProperties(delivery_mode=2), mandatory=True)
    run.kill("rabbitmq")
    wait_until(lambda: probe.replies(parameters.port, b"AMQP\x00\x00\x09\x01", b"\x01"), "rabbitmq")
    with pika.BlockingConnection(parameters) as connection:
        assert connection.channel().basic_get("kept", auto_ack=True)[2] == b"message"


@pytest.mark.parametrize("name", ["relay", "worker-threshold", "api", "epmd", "console"])
def test_killed_process_comes_back(run: Run, name: str) -> None:
    """Any other part killed by -9 runs again, however often."""
    for _ in range(2):
        run.kill(name)


def test_strangers_are_refused(run: Run) -> None:
    """Neither Redis nor RabbitMQ lets anyone in without the password of this run."""
    urls = run.running["urls"]
    with redis.Redis.from_url(urls["store"].replace("//:", "//:not-")) as client, pytest.raises(redis.RedisError):
        client.ping()
    guest = pika.URLParameters(urls["bus"])
    guest.credentials = pika.PlainCredentials("guest", "guest")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(guest)


def test_second_run_on_the_folder_is_refused(run: Run) -> None:
    """A second run on a data folder in use says so in one line that names the first, and disturbs nothing."""
    second = launch(run.folder)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"is in use by a running Cartscope (process {run.process.pid})" in said
    assert len(said.splitlines()) == 1
    assert run.process.poll() is None


def test_ctrl_c_ends_everything_in_order(tmp_path: Path) -> None:
    """Ctrl-C in the terminal ends the API, then relay and workers, then the servers; counts are exact."""
    with native_run(tmp_path) as run:
        for _ in range(3):
            run.kill("relay")
        port = urlsplit(run.running["urls"]["metrics"]["relay"]).port or 0
        wait_until(lambda: probe.serves(port, "/metrics"), "relay")
        restarts = run.end(signal.SIGINT)
        assert {"relay": 3} == {name: count for name, count in restarts.items() if count}
        assert run.process.returncode == 0
        assert [] == leftovers.find(tmp_path)
        farewells = (tmp_path / "farewells").read_text().splitlines()
        assert farewells[0] == "api"
        assert sorted(farewells[1:4]) == ["relay", "worker-popularity", "worker-threshold"]
        assert all(name.startswith(("ship-logs", "console")) for name in farewells[4:])
        assert run.running["processes"] == {}


def test_killed_run_is_resumed(tmp_path: Path) -> None:
    """A run killed by -9 is in no one's way: the next has its addresses and data, readable also when it has ended."""
    with native_run(tmp_path) as first:
        urls = first.running["urls"]
        with redis.Redis.from_url(urls["store"]) as client:
            client.set("cart", "kept")
        first.process.kill()
        first.process.wait()
        with native_run(tmp_path) as second:
            assert urls == second.running["urls"]
            with redis.Redis.from_url(urls["store"]) as client:
                assert client.get("cart") == b"kept"
            second.end(signal.SIGTERM)
            assert [] == leftovers.find(tmp_path)
    assert b"kept" == asyncio.run(cart_in_ended_run(tmp_path))
    assert urls == second.running["urls"]


async def cart_in_ended_run(folder: Path) -> bytes | None:
    """What the store of a run that has ended holds."""
    with DataFolder(folder) as taken:
        async with resumed_servers(taken) as settings:
            with redis.Redis.from_url(settings["CARTSCOPE_STORE_URL"]) as client:
                return await asyncio.to_thread(client.get, "cart")
