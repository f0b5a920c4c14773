"""The servers of a native run that has ended, for who wants to look at its data."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cart_platform.data_folder import DataFolder
from cart_platform.native.native import Native


@asynccontextmanager
async def resumed_servers(folder: DataFolder) -> AsyncIterator[Mapping[str, str]]:
    """Run Redis and RabbitMQ on a data folder for as long as the block lasts, and give the settings to reach them.

    Args:
        folder: Whose block the caller has entered.

    Raises:
        CartscopeError: when a server is not installed or cannot start.
    """
    native = Native(folder, workers=(), settings_environment={}, progress=lambda _: None)
    try:
        yield await native.start_servers()
    finally:
        await native.stop()
