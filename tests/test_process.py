"""What every process of the chain does beside its role."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cart_observability.telemetry import silent
from cart_platform.process import watch_store
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

    assert shows(0)
    watching = asyncio.create_task(watch_store(store, telemetry.metrics, interval=0.01))
    await eventually(lambda: shows(1))
    await store.close()
    await eventually(lambda: shows(0))
    await store.start()
    await eventually(lambda: shows(1))
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
