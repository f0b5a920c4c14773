"""What RabbitMQ refuses at the start: one clear line each."""

import pika
import pytest

from cart_observability.telemetry import silent
from cart_platform.bus import Topology
from cart_platform.bus.rabbitmq import RabbitBus
from cart_platform.errors import CartscopeError, Unavailable, UsageError
from cart_platform.native.ports import free_ports
from support.buses import Line
from support.servers import RabbitServer


def unconnected(url: str) -> RabbitBus:
    """A bus with nothing to declare."""
    return RabbitBus(url, Topology([], []), telemetry=silent())


async def refusal(bus: RabbitBus) -> CartscopeError:
    """Why the bus does not start."""
    with pytest.raises(CartscopeError) as refused:
        await bus.start()
    await bus.close()
    assert "\n" not in str(refused.value)
    return refused.value


async def test_wrong_password(rabbitmq_server: RabbitServer) -> None:
    """A wrong password is refused in one line that names the user and not the password."""
    error = await refusal(unconnected(rabbitmq_server.url.replace(rabbitmq_server.password, "secret")))
    assert not isinstance(error, Unavailable)
    assert "refuses the user 'cartscope'" in str(error)
    assert "secret" not in str(error)


async def test_absent_virtual_host(rabbitmq_server: RabbitServer) -> None:
    """An absent virtual host is refused in one line that names it."""
    error = await refusal(unconnected(rabbitmq_server.url.replace("%2F", "nowhere")))
    assert not isinstance(error, Unavailable)
    assert "no virtual host 'nowhere'" in str(error)


async def test_unreachable() -> None:
    """Where nothing listens, the bus is unavailable, and the line says where."""
    [port] = free_ports(1)
    error = await refusal(unconnected(f"amqp://someone:secret@127.0.0.1:{port}/"))
    assert isinstance(error, Unavailable)
    assert f"cannot reach RabbitMQ at 127.0.0.1:{port} (Connection refused)" in str(error)


async def test_unknown_host() -> None:
    """A host that has no address makes the bus unavailable."""
    assert isinstance(await refusal(unconnected("amqp://rabbitmq.invalid/")), Unavailable)


async def test_another_server(rabbitmq_server: RabbitServer) -> None:
    """A server that does not speak AMQP is told from RabbitMQ."""
    url = rabbitmq_server.url.replace(str(rabbitmq_server.ports.amqp), str(rabbitmq_server.ports.mapper))
    assert "is not RabbitMQ" in str(await refusal(unconnected(url)))


@pytest.mark.parametrize("url", ["amqp://host:port/", "http://host/", "amqp://host/?heartbeat=often"])
def test_bad_url(url: str) -> None:
    """A URL that is none is the user's mistake, in one line."""
    with pytest.raises(UsageError, match="CARTSCOPE_BUS_URL"):
        unconnected(url)


async def test_queue_declared_otherwise(rabbitmq_server: RabbitServer) -> None:
    """A queue that somebody declared otherwise is refused in one line that names it."""
    line = Line(rabbitmq_server.url)
    with pika.BlockingConnection(pika.URLParameters(line.url)) as stranger:
        stranger.channel().queue_declare(line.threshold, durable=True)
    error = await refusal(RabbitBus(line.url, line.topology, telemetry=silent()))
    assert not isinstance(error, Unavailable)
    assert f"queue '{line.threshold}' is declared otherwise" in str(error)
