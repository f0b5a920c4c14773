"""The throwaway servers of the tests, which are configured as a native run configures its own."""

import asyncio
from pathlib import Path

import pika
import pytest
import redis

from cart_platform.native import alertmanager_server, leftovers, prometheus_server, rabbitmq_server
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


async def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """Prometheus's own checker accepts the configuration, with an Alertmanager and without one."""
    promtool = find("promtool")
    if promtool is None:
        skip_or_fail("promtool")
    for alertmanager in (None, 9):
        prometheus_server.program(
            "prometheus", tmp_path, 1, {"api": 2}, rabbitmq_port=3, alertmanager_port=alertmanager
        )
        assert await accepted(str(promtool), "check", "config", str(tmp_path / "prometheus.yml"))


async def test_alertmanager_accepts_its_configuration(tmp_path: Path) -> None:
    """Alertmanager's own checker accepts the configuration."""
    amtool = find("amtool")
    if amtool is None:
        skip_or_fail("amtool")
    alertmanager_server.program("alertmanager", tmp_path, 1)
    assert await accepted(str(amtool), "check-config", str(tmp_path / "alertmanager.yml"))
