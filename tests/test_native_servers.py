"""The throwaway servers of the tests, which are configured as a native run configures its own."""

import asyncio
from pathlib import Path

import pika
import pytest
import redis
import yaml

from cart_platform.native import (
    alertmanager_server,
    checkout,
    installed,
    leftovers,
    prometheus_server,
    rabbitmq_server,
)
from cart_platform.native.installed import find
from conftest import skip_or_fail
from support.servers import RabbitServer, RedisServer


async def test_redis_keeps_its_data_over_a_crash(redis_server: RedisServer) -> None:
    """What Redis acknowledged is there after kill -9, on the same address."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("crash", "survived")
        await asyncio.to_thread(redis_server.restart)
        assert client.get("crash") == b"survived"


def test_rabbitmq_takes_its_own_user(rabbitmq_server: RabbitServer) -> None:
    """RabbitMQ accepts the generated user on the default virtual host and listens on loopback only."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        assert connection.is_open
    assert "127.0.0.1:" in rabbitmq_server.url


def test_leftovers_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that a killed run left behind is found by its mark and ended; one of another folder is let be."""
    if not RedisServer.available():
        skip_or_fail("redis-server")
    monkeypatch.setenv(leftovers.MARK, str(tmp_path))
    left = RedisServer().start()
    assert 0 == leftovers.end(tmp_path / "other")
    assert 1 == leftovers.end(tmp_path)
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(left.url) as client:
        client.ping()
    left.stop()


def test_configurations_are_private(tmp_path: Path) -> None:
    """The file that holds a server's password is readable by its owner alone."""
    rabbitmq_server.program("rabbitmq-server", tmp_path, rabbitmq_server.RabbitPorts(1, 2, 3, 4), "secret")
    assert (tmp_path / "rabbitmq.conf").stat().st_mode & 0o077 == 0


async def accepted(*command: str) -> bool:
    """Whether a checker accepts what it is given."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


STACK = yaml.safe_load(checkout.PROMETHEUS.read_text())
ADDRESSES = {
    target: 20_000 + number
    for number, target in enumerate(
        target
        for job in (*STACK["scrape_configs"], *STACK["alerting"]["alertmanagers"])
        for group in job.get("static_configs", ())
        for target in group["targets"]
    )
}
"""Every address of the stack's file and a port in its place."""


def test_prometheus_scrapes_what_the_stack_scrapes() -> None:
    """Where every server of the stack runs, every job and rule of its file is there, with other addresses alone."""
    configured = prometheus_server.configured(STACK, {"api": 1, "relay": 2}, ADDRESSES)
    assert [job["job_name"] for job in STACK["scrape_configs"]] == [
        job["job_name"] for job in configured["scrape_configs"]
    ]
    chain, *servers = configured["scrape_configs"]
    assert [
        {"targets": ["127.0.0.1:1"], "labels": {"process": "api"}},
        {"targets": ["127.0.0.1:2"], "labels": {"process": "relay"}},
    ] == chain["static_configs"]
    unmoved = {"static_configs": None, "dns_sd_configs": None, "relabel_configs": None}
    assert [{**job, **unmoved} for job in STACK["scrape_configs"]] == [
        {**job, **unmoved} for job in configured["scrape_configs"]
    ]
    targets = [target for job in servers for group in job["static_configs"] for target in group["targets"]]
    assert targets
    assert all(target.startswith("127.0.0.1:2") for target in targets)
    assert STACK["global"] == configured["global"]
    assert STACK["storage"] == configured["storage"]
    assert all(
        Path(pattern).is_absolute() and list(Path("/").glob(pattern[1:])) for pattern in configured["rule_files"]
    )


def test_prometheus_leaves_out_what_does_not_run() -> None:
    """A job whose server does not run is left out, and so is an Alertmanager that does not."""
    configured = prometheus_server.configured(STACK, {"api": 1}, {"rabbitmq:15692": 2})
    assert ["cartscope", "rabbitmq", "rabbitmq-queues"] == [job["job_name"] for job in configured["scrape_configs"]]
    assert [] == configured["alerting"]["alertmanagers"]


async def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """Prometheus's own checker accepts the configuration, with every server of the stack and with none."""
    promtool = find("promtool")
    if promtool is None:
        skip_or_fail("promtool")
    for addresses in (ADDRESSES, {}):
        prometheus_server.program("prometheus", tmp_path, 1, {"api": 2}, addresses)
        assert await accepted(str(promtool), "check", "config", str(tmp_path / "prometheus.yml"))


async def test_alertmanager_accepts_its_configuration(tmp_path: Path) -> None:
    """Alertmanager's own checker accepts the configuration, which groups as the stack's does and writes no e-mail."""
    amtool = find("amtool")
    if amtool is None:
        skip_or_fail("amtool")
    alertmanager_server.program("alertmanager", tmp_path, 1)
    assert await accepted(str(amtool), "check-config", str(tmp_path / "alertmanager.yml"))
    configured = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    stack = yaml.safe_load(checkout.ALERTMANAGER.read_text())
    assert {**stack, "receivers": None} == {**configured, "receivers": None}
    assert [{"name": receiver["name"]} for receiver in stack["receivers"]] == configured["receivers"]


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run goes on without the servers that watch it, says so of each one and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("redis-server", "rabbitmq-server", "epmd", "otelcol-contrib"):
        (tmp_path / name).touch(mode=0o755)
    found = installed.servers()
    assert {} == dict(found.watchers)
    assert ["alertmanager", "prometheus", "tempo", "elasticsearch", "collector"] == [
        line.split()[0] for line in found.missing
    ]
    assert "collector left out: without tempo it has nowhere to send traces to" == found.missing[-1]
    (tmp_path / "tempo").touch(mode=0o755)
    assert {
        "tempo": str(tmp_path / "tempo"),
        "collector": str(tmp_path / "otelcol-contrib"),
    } == installed.servers().watchers
