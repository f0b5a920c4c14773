"""Fixtures of the suite that runs against every bus; a test module asks for them by `pytest_plugins`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cart_platform.bus import Bus, Subscription
from support.buses import Line


@pytest.fixture(params=["sqlite", "rabbitmq"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Line:
    """Two queues of this test's own on each bus."""
    if request.param == "rabbitmq":
        return Line(request.getfixturevalue("rabbitmq_server").url)
    return Line(f"sqlite:///{tmp_path / 'bus.db'}")


@pytest.fixture
async def bus(line: Line) -> AsyncIterator[Bus]:
    """A started bus."""
    bus = line.bus()
    await bus.start()
    yield bus
    await bus.close()


@pytest.fixture
async def threshold(line: Line, bus: Bus) -> Subscription:
    """A subscription of the queue threshold."""
    return await bus.subscribe(line.threshold, 100)
