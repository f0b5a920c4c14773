"""The demo: the whole chain embedded in one process, on SQLite files and a Maildir in one folder."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import typer

from cart_handlers.console import page, recording
from cart_handlers.roles import worker
from cart_observability.console.console import Console
from cart_observability.telemetry import Telemetry
from cart_platform import roles
from cart_platform.bootstrap import Parts, assemble
from cart_platform.browsing import NO_BROWSER, show
from cart_platform.data_folder import DataFolder
from cart_platform.driving import Chain, Run, drive
from cart_platform.faults.shoppers import SERVICE as SHOPPERS
from cart_platform.faults.shoppers import bursting
from cart_platform.handler import service_name
from cart_platform.lifetime import Stop
from cart_platform.live import Screen
from cart_platform.native.running import RunningFile
from cart_platform.observer import Observer, own
from cart_platform.process import start_telemetry, started, ungrouped
from cart_platform.settings import Settings, load_settings
from cart_platform.whereabouts import remember

TITLE = "Cartscope demo"


async def demo(run: Run, folder: DataFolder, stop: Stop) -> int:
    """Run the chain under a load until the load ends or the stop is wished; gives the exit code.

    Raises:
        CartscopeError: with one clear line, when it cannot run as asked.
    """
    os.environ.update(run.sampling())
    settings = embedded(folder)
    async with AsyncExitStack() as stack:
        # Before the telemetry: it is the console that takes its spans.
        console = await stack.enter_async_context(recording(folder, TITLE)) if run.has_console else None
        telemetry = start_telemetry("cartscope-demo", settings, stdout=False)
        # On a thread: the last spans are taken on this very loop.
        stack.push_async_callback(asyncio.to_thread, telemetry.close)
        with ungrouped():
            async with started(assemble(settings, telemetry), stop) as parts, chain(parts, folder, console) as running:
                remember(folder.path)
                with Screen(title=TITLE, addresses=addresses(running, telemetry, folder)) as screen:
                    await _present(run, running, settings, screen)
                    text, code = await drive(run, running, screen, stop)
    typer.echo(text)
    return code


async def _present(run: Run, running: Chain, settings: Settings, screen: Screen) -> None:
    """Say where the page is when that is not where it should be, and show it if that is wished."""
    if running.console is None:
        return
    port = settings.console_port
    if port and urlsplit(running.console).port != port:
        screen.note(f"port {port} is in use: the console is at {running.console} this time")
    if run.opens_browser and not await show(running.console):
        screen.note(NO_BROWSER)


def embedded(folder: DataFolder) -> Settings:
    """The settings of the environment, with everything that is kept in one folder."""
    return load_settings().model_copy(
        update={
            "store_url": f"sqlite:///{folder.path / 'store.db'}",
            "bus_url": f"sqlite:///{folder.path / 'bus.db'}",
            "mail_url": f"maildir:///{folder.mail}",
            "log_dir": folder.logs,
            "faults_file": folder.faults,
        }
    )


@asynccontextmanager
async def chain(parts: Parts, folder: DataFolder, console: Console | None = None) -> AsyncIterator[Chain]:
    """API, relay and a worker for each handler, with the page of a console, as long as the block lasts."""
    telemetry, stop = parts.telemetry, Stop()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        url = await stack.enter_async_context(roles.serving(parts, telemetry.named("cartscope-api")))
        address = await stack.enter_async_context(page(console, parts, url)) if console else None
        group.create_task(roles.relay(parts, telemetry.named("cartscope-relay"), stop))
        for handler in parts.handlers:
            role = telemetry.named(service_name(handler.name))
            group.create_task(worker(parts, handler, role).run(stop, parts.settings.drain))
        running = _running_file(parts, folder, url, address)
        try:
            yield Chain(
                url,
                Observer(parts.store, parts.bus, parts.handlers, {"demo": own(telemetry.registry)}),
                lambda load: bursting(load, parts.settings.faults_file, telemetry.named(SHOPPERS)),
                console=address,
            )
        finally:
            stop.set()
            running.write({})


def _running_file(parts: Parts, folder: DataFolder, url: str, console: str | None) -> RunningFile:
    names = ["api", "relay", *(f"worker-{handler.name}" for handler in parts.handlers)]
    metrics = parts.telemetry.metrics_url or ""
    running = RunningFile(
        folder.path,
        {
            "api": url,
            **({"console": console} if console else {}),
            "store": parts.settings.store_url,
            "bus": parts.settings.bus_url,
            "metrics": dict.fromkeys(names, metrics),
        },
        {"logs": folder.logs, "mail": folder.mail},
    )
    running.write(dict.fromkeys(names, os.getpid()))
    return running


def addresses(running: Chain, telemetry: Telemetry, folder: DataFolder) -> list[tuple[str, str]]:
    """What there is to look at, and where."""
    return [
        *([("console", running.console)] if running.console else []),
        ("API", f"{running.api}/docs"),
        ("metrics", telemetry.metrics_url or ""),
        ("logs", str(folder.logs)),
        ("e-mails", str(folder.mail)),
        ("data", f"{folder.path}  (cartscope status, audit and dead-letters look there)"),
    ]
