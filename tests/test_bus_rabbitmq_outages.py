"""What RabbitMQ's bus keeps when the broker dies, comes back, or stops reading; on a broker of this module's own."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cart_observability.telemetry import Telemetry, silent
from cart_platform.bus import Outcome
from cart_platform.bus.rabbitmq import RabbitBus
from cart_platform.bus.rabbitmq.publisher import Limits
from cart_platform.errors import Unavailable
from conftest import skip_or_fail
from support.buses import Line, backlog_is, bodies, eventually, receive
from support.servers import RabbitServer

IMPATIENT = Limits(room_seconds=0.3, confirm_seconds=0.3)


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitServer]:
    """A RabbitMQ that tests may kill: each leaves it running."""
    if not RabbitServer.available():
        skip_or_fail("rabbitmq-server")
    server = RabbitServer()
    yield server.start()
    server.stop()


@pytest.fixture
def line(server: RabbitServer) -> Line:
    """Two queues of this test's own."""
    return Line(server.url)


@pytest.fixture
def telemetry() -> Telemetry:
    """Counts in a registry of its own."""
    return silent()


@pytest.fixture
async def bus(line: Line, telemetry: Telemetry) -> AsyncIterator[RabbitBus]:
    """A started bus."""
    bus = RabbitBus(line.url, line.topology, telemetry=telemetry)
    await bus.start()
    yield bus
    await bus.close()


async def kill(server: RabbitServer) -> None:
    """End the broker by SIGKILL."""
    await asyncio.to_thread(server.kill)


async def start(server: RabbitServer) -> None:
    """Start the broker again on the same port and data."""
    await asyncio.to_thread(server.start)


def control(server: RabbitServer, *arguments: str) -> None:
    """Run rabbitmqctl, which lies beside the server's own script, on this broker."""
    program = server._main.program
    command = [str(Path(program.command[0]).with_name("rabbitmqctl")), *arguments]
    subprocess.run(command, env=os.environ | program.environment, check=True, capture_output=True)


async def ready(bus: RabbitBus) -> None:
    """Wait until the bus answers."""

    async def answers() -> bool:
        with suppress(Unavailable):
            await bus.ping()
            return True
        return False

    await eventually(answers)


async def test_killed_while_publishing(line: Line, server: RabbitServer) -> None:
    """A broker killed under a window in flight leaves an outcome for each message, and what it confirmed is kept."""
    bus = RabbitBus(line.url, line.topology, telemetry=silent(), limits=IMPATIENT)
    await bus.start()
    names = [b"%d" % number for number in range(20_000)]
    publishing = asyncio.create_task(bus.publish([line.event(body=name) for name in names]))

    async def under_way() -> bool:
        return bus._publisher._tag > 2_000

    await eventually(under_way)
    await kill(server)
    outcomes = await asyncio.wait_for(publishing, 10)
    await start(server)
    await ready(bus)
    confirmed = [name for name, outcome in zip(names, outcomes, strict=True) if outcome is Outcome.CONFIRMED]
    assert {Outcome.CONFIRMED, Outcome.UNKNOWN} == set(outcomes)
    assert set(confirmed) <= set(await drained(bus, line))
    await bus.close()


async def drained(bus: RabbitBus, line: Line) -> list[bytes]:
    """All that waits in the queue threshold, taken out."""
    subscription = await bus.subscribe(line.threshold, 1_000)
    arrived: list[bytes] = []
    while (await bus.backlog())[line.threshold]:
        deliveries = await subscription.receive(1_000)
        await subscription.ack(deliveries)
        arrived += bodies(deliveries)
    return arrived


async def test_killed_while_consuming(line: Line, bus: RabbitBus, server: RabbitServer) -> None:
    """When the broker is back, what was not settled comes again, and settling the deliveries of before does nothing."""
    threshold = await bus.subscribe(line.threshold, 100)
    results = await bus.listen(line.key("done"))
    await bus.publish([line.event(body=b"1"), line.event(body=b"2")])
    stale = await receive(threshold, 2)
    await kill(server)
    await threshold.ack(stale)
    await threshold.retry(stale[0], 0)
    with pytest.raises(Unavailable):
        await until_unavailable(bus)
    await start(server)
    fresh = await receive(threshold, 2)
    assert [b"1", b"2"] == sorted(bodies(fresh))
    await threshold.ack([*stale, *fresh])
    await backlog_is(bus, line.threshold, 0)
    await bus.publish([line.result("done", body=b"result")])
    assert [b"result"] == bodies(await receive(results, 1))


async def until_unavailable(bus: RabbitBus) -> None:
    """Ask the bus until it does not answer."""
    async with asyncio.timeout(10):
        while True:
            await bus.ping()


async def test_publish_waits(line: Line, server: RabbitServer, telemetry: Telemetry) -> None:
    """Publishing while the broker restarts waits for it, and goes on."""

    async def disconnected() -> bool:
        return 0 == telemetry.registry.get_sample_value("cartscope_bus_connected", {"connection": "publish"})

    bus = RabbitBus(line.url, line.topology, telemetry=telemetry, limits=Limits(room_seconds=60))
    await bus.start()
    await kill(server)
    await eventually(disconnected)
    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(bus.publish([line.event(body=b"meanwhile")]))
        await start(server)
    assert [Outcome.CONFIRMED] == publishing.result()
    assert 1 == telemetry.registry.get_sample_value("cartscope_bus_reconnects_total", {"connection": "publish"})
    await bus.close()


async def test_unreachable_for_long(line: Line, server: RabbitServer) -> None:
    """Publishing gives up after its patience, everything unknown; closing does not wait for the broker."""
    bus = RabbitBus(line.url, line.topology, telemetry=silent(), limits=IMPATIENT)
    await bus.start()
    await bus.subscribe(line.threshold, 10)
    await kill(server)
    assert [Outcome.UNKNOWN] * 3 == await bus.publish([line.event() for _ in range(3)])
    assert [Outcome.UNKNOWN] * 3 == await bus.publish([line.event() for _ in range(3)])
    with pytest.raises(Unavailable):
        await bus.backlog()
    await asyncio.wait_for(bus.close(), 3)
    await start(server)


async def test_blocked(line: Line, bus: RabbitBus, server: RabbitServer, telemetry: Telemetry) -> None:
    """Publishing waits while the broker blocks publishers, and goes on when it reads again."""

    async def blocked(*, expected: bool = True) -> bool:
        return telemetry.registry.get_sample_value("cartscope_bus_blocked", {"connection": "publish"}) == expected

    await bus.publish([line.event()])
    await asyncio.to_thread(control, server, "set_vm_memory_high_watermark", "0")
    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(bus.publish([line.event() for _ in range(10)]))
        await eventually(blocked)
        assert not publishing.done()
        await asyncio.to_thread(control, server, "set_vm_memory_high_watermark", "0.4")
    assert [Outcome.CONFIRMED] * 10 == publishing.result()
    assert await blocked(expected=False)
    await backlog_is(bus, line.threshold, 11)


async def test_start_again(line: Line, server: RabbitServer) -> None:
    """A bus that could not start, because the broker was away, can be started when it is there."""
    await kill(server)
    bus = RabbitBus(line.url, line.topology, telemetry=silent())
    with pytest.raises(Unavailable, match="cannot reach"):
        await bus.start()
    await start(server)
    await bus.start()
    assert [Outcome.CONFIRMED] == await bus.publish([line.event()])
    await bus.close()
