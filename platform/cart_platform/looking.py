"""Opens the store and the bus of a chain that a command looks at, running or not."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cart_observability.telemetry import silent
from cart_platform.bootstrap import Parts, assemble
from cart_platform.data_folder import DataFolder
from cart_platform.settings import Settings
from cart_platform.whereabouts import find, settings_of


@asynccontextmanager
async def looking(data_dir: Path | None) -> AsyncIterator[Parts]:
    """The parts of a chain, started, as long as the block lasts.

    Redis and RabbitMQ of a native run that has ended are started for so long. Without a folder it is the chain that the
    environment names, or else the one that ran last.

    Raises:
        CartscopeError: when there is no such chain, or it cannot be reached.
    """
    folder = find(data_dir)
    settings = settings_of(folder)
    async with AsyncExitStack() as stack:
        if folder is not None and _has_ended(folder, settings):
            settings = settings.model_copy(update=await _servers(folder, stack))
        parts = assemble(settings, silent())
        stack.push_async_callback(parts.close)
        await parts.start()
        yield parts


def _has_ended(folder: Path, settings: Settings) -> bool:
    """Whether the chain in this folder needs servers that only its run keeps."""
    return not settings.store_url.startswith("sqlite:") and not DataFolder.is_in_use(folder)


async def _servers(folder: Path, stack: AsyncExitStack) -> Mapping[str, str]:
    from cart_platform.native.resumed import resumed_servers  # noqa: PLC0415  only for a native run that has ended

    settings = await stack.enter_async_context(resumed_servers(stack.enter_context(DataFolder(folder))))
    return {"store_url": settings["CARTSCOPE_STORE_URL"], "bus_url": settings["CARTSCOPE_BUS_URL"]}
