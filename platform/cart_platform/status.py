"""Tells how a chain is doing, from its store and the metrics of its processes."""

import asyncio
import json
from pathlib import Path
from typing import Any

from cart_platform.live import describe
from cart_platform.looking import looking
from cart_platform.observer import Observer, served
from cart_platform.whereabouts import find, read_running

SECONDS_BETWEEN_READINGS = 1.0


async def status(data_dir: Path | None, *, as_json: bool) -> str:
    """The state of a chain as text or JSON; rates are measured over a second.

    Raises:
        CartscopeError: when there is no such chain, or its store cannot be reached.
    """
    folder = find(data_dir)
    running = read_running(folder) if folder else {}
    async with looking(data_dir) as parts:
        metrics: dict[str, str] = running.get("urls", {}).get("metrics", {}) if running.get("processes") else {}
        observer = Observer(parts.store, parts.bus, parts.handlers, sources(metrics))
        await observer.scrape()
        await observer.view()
        if metrics:
            await asyncio.sleep(SECONDS_BETWEEN_READINGS)
            await observer.scrape()
        view = await observer.view()
    restarts: dict[str, Any] = running.get("restarts", {})
    return json.dumps(view.as_dict(restarts)) if as_json else describe(view)


def sources(metrics: dict[str, str]) -> dict[str, Any]:
    """A source for each address; processes that share one are one process."""
    return {url: served(url) for url in set(metrics.values())}
