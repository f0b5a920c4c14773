"""Every store, one after the other: a test that takes one runs on each."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cart_platform.store import Store
from support.stores import Opener, build


@pytest.fixture(params=["sqlite", "redis"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    address: str = request.getfixturevalue("redis_server").url
    async with Redis.from_url(address) as redis:
        await redis.flushall()
    return address


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Opener]:
    """Opens stores on the same data, as several processes do; closes them in the end."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Store:
            store = build(url, **options)
            stack.push_async_callback(store.close)
            await store.start()
            return store

        yield start


@pytest.fixture
async def store(opened: Opener) -> Store:
    """A store on the data."""
    return await opened()


@pytest.fixture
async def other(opened: Opener) -> Store:
    """Another store on the same data."""
    return await opened()
