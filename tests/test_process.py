"""What every process of the chain does beside its role."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cart_observability.telemetry import silent
from cart_platform.bootstrap import assemble
from cart_platform.lifetime import Stop
from cart_platform.process import started, watch_store
from cart_platform.settings import Settings
from cart_platform.store.sql import SqlStore
from support.polling import eventually


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A store of its own."""
    store = SqlStore(f"sqlite:///{tmp_path}/store.db")
    await store.start()
    yield store
    await store.close()


async def test_a_store_that_is_away_is_seen(store: SqlStore) -> None:
    """The gauge falls when the store ceases to answer, and rises when it answers again."""
    telemetry = silent()

    def shows(value: int) -> bool:
        return telemetry.registry.get_sample_value("cartscope_store_available") == value

    watching = asyncio.create_task(watch_store(store, telemetry.metrics, interval=0.01))
    await eventually(lambda: shows(1))
    await store.close()
    await eventually(lambda: shows(0))
    await store.start()
    await eventually(lambda: shows(1))
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_a_process_that_waits_for_its_store_says_so(tmp_path: Path) -> None:
    """Who starts while the store is away is counted among those that do not reach it."""
    telemetry = silent()
    settings = Settings(store_url="redis://127.0.0.1:1", bus_url=f"sqlite:///{tmp_path}/bus.db")

    async def start() -> None:
        async with started(assemble(settings, telemetry), Stop()):
            pass

    starting = asyncio.create_task(start())
    await eventually(lambda: telemetry.registry.get_sample_value("cartscope_store_available") == 0)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
