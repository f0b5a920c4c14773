"""A native run under a load: starts everything, drives it, sums up, ends everything in order."""

import asyncio
import contextlib

from typer import echo

from cart_observability.telemetry import silent
from cart_platform.bootstrap import assemble, load_handlers
from cart_platform.browsing import NO_BROWSER, show
from cart_platform.data_folder import DataFolder
from cart_platform.driving import Chain, Run, drive
from cart_platform.faults.shoppers import bursting_alone
from cart_platform.lifetime import Stop
from cart_platform.live import Screen
from cart_platform.native.native import Native
from cart_platform.observer import Observer, served
from cart_platform.settings import load_settings
from cart_platform.whereabouts import remember, settings_of

INTERRUPTED = 130
"""The exit code of a run that was interrupted before it had begun."""

_PAGES = {
    "prometheus": "",
    "alertmanager": "",
    "collector": "  (takes OTLP spans)",
    "tempo": "/api/search",
    "elasticsearch": "/logs-cartscope*/_search?sort=@timestamp:desc",
}
"""What there is to see of each server without a page of another one."""


async def run_native(run: Run, folder: DataFolder, stop: Stop) -> int:
    """Run the chain on real servers until the load ends or the stop is wished; gives the exit code.

    Raises:
        CartscopeError: with one clear line, when it cannot run as asked.
    """
    names = [handler.name for handler in load_handlers(load_settings(), silent())]
    screen = Screen(title="Cartscope native", addresses=[])
    native = Native(folder, names, run.sampling(), screen.note, has_console=run.has_console)
    try:
        if not await _start(native, stop):
            return INTERRUPTED
        remember(folder.path)
        text, code = await _drive(run, native, folder, stop)
    finally:
        await native.stop()
    echo(text)
    return code


async def _start(native: Native, stop: Stop) -> bool:
    """Start, unless stopped before everything was up; whether it is."""
    starting, stopped = asyncio.create_task(native.start()), asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stop.wished:
        starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    return not starting.cancelled()


async def _drive(run: Run, native: Native, folder: DataFolder, stop: Stop) -> tuple[str, int]:
    parts = assemble(settings_of(folder.path), silent())
    try:
        await parts.start()
        urls = native.urls
        metrics = urls["metrics"]
        assert not isinstance(metrics, str)
        observer = Observer(
            parts.store, parts.bus, parts.handlers, {name: served(url) for name, url in metrics.items()}
        )
        chain = Chain(
            str(urls["api"]),
            observer,
            lambda load: bursting_alone(load, folder.faults, folder.logs),
            lambda: native.restarts,
        )
        with Screen(title="Cartscope native", addresses=addresses(native, folder)) as screen:
            if run.opens_browser and run.has_console and not await show(str(urls["console"])):
                screen.note(NO_BROWSER)
            return await drive(run, chain, screen, stop)
    finally:
        await parts.close()


def addresses(native: Native, folder: DataFolder) -> list[tuple[str, str]]:
    """What there is to look at, and where."""
    shown = [("console", str(native.urls["console"]))] if "console" in native.urls else []
    shown.append(("API", f"{native.urls['api']}/docs"))
    shown += [(name, f"{native.urls[name]}{path}") for name, path in _PAGES.items() if name in native.urls]
    return [
        *shown,
        ("logs", str(folder.logs)),
        ("e-mails", str(folder.mail)),
        ("data", f"{folder.path}  (running.json there has every address and process)"),
    ]
