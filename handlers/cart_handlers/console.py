"""The console of a chain: the library's, with the shop, its faults and its dead letters."""

import asyncio
import math
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer

from cart_handlers.console_dead_letters import DeadLettersExtension
from cart_observability.console.console import Console, Place
from cart_observability.console.metrics.replicas import Replicas
from cart_observability.console.pruning import Bounds
from cart_observability.http_server import CannotListen, usable_address
from cart_observability.span_export import ENDPOINTS
from cart_observability.telemetry import Telemetry, silent
from cart_platform.bootstrap import Parts
from cart_platform.browsing import NO_BROWSER, show
from cart_platform.console.extension import ShopExtension
from cart_platform.console.places import read_places
from cart_platform.console.stack import StackExtension
from cart_platform.console.watched import Watched
from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError, UsageError
from cart_platform.lifetime import Stop
from cart_platform.listening import said_in_one_line
from cart_platform.native.ports import LOOPBACK
from cart_platform.whereabouts import metrics_of, read_running

CART: Final = "cartscope.cart.id"
"""The log field that names what most events of this project are about."""
SERVICE: Final = "cartscope-console"
FILE: Final = "console.db"
"""In a data folder, or a fresh one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a console is asked to be.

    Attributes:
        data_dir: Of a demo or native run to look at; None for services of somebody's own.
        metrics: Further addresses of metrics, by name.
        logs: Folder of log files; the run's own by default.
        file: Where everything is kept; in the data folder, or else in a fresh one, by default.
        otlp: The port for spans.
        place: Where the page is.
        bounds: How much is kept, and for how long.
        title: Of the page.
        chain: The API of the chain that the environment names; None for none.
        stack: A checkout of the repository, for its dashboards and searches; None for none.
        opens_browser: Whether the page is shown.
    """

    data_dir: Path | None
    metrics: Mapping[str, str]
    logs: Path | None
    file: Path | None
    otlp: int
    place: Place
    bounds: Bounds
    title: str
    chain: str | None
    stack: Path | None
    opens_browser: bool


async def run_console(wish: Wish, stop: Stop) -> int:
    """Serve a console until stopped; gives the exit code.

    Raises:
        CartscopeError: with one clear line, when it cannot be as asked.
    """
    replicas = Replicas(wish.metrics)
    console = _console(wish, replicas)
    is_logged = wish.logs is None or wish.logs.is_dir()
    async with AsyncExitStack() as stack:
        finding = asyncio.create_task(replicas.run())
        stack.callback(finding.cancel)
        with _said(), said_in_one_line("the console", "--otlp"):
            otlp = await stack.enter_async_context(console.recording(wish.place.host, wish.otlp))
        if wish.stack is not None:
            console.extend(StackExtension(read_places(wish.stack / "grafana/dashboards", wish.stack / "elk/kibana")))
        if wish.data_dir is not None or wish.chain is not None:
            watched = Watched.beside(silent(), wish.data_dir, wish.chain)
            stack.push_async_callback(watched.parts.close)
            _extend(console, watched, stack.enter_context(_operating(wish.data_dir)))
        with said_in_one_line("the console", "--port"):
            address = await stack.enter_async_context(console.serving(wish.place))
        for what, where in {"console": address, "spans": f"{otlp}/v1/traces", "file": str(console.path)}.items():
            typer.echo(f"{what:<13} {where}", err=True)
        if not is_logged:
            typer.echo(f"there is no folder {wish.logs} yet: log files in it are read as soon as it is there", err=True)
        if wish.opens_browser and not await show(address):
            typer.echo(NO_BROWSER, err=True)
        await stop.wait()
    return 0


def named(texts: Iterable[str]) -> Mapping[str, str]:
    """Addresses by name, from `NAME=URL` or `URL`, which is called by its host and port.

    Raises:
        UsageError: when one is no address, or two have a name.
    """
    targets: dict[str, str] = {}
    for text in texts:
        name, url = _named(text)
        if name in targets:
            raise UsageError(f"two addresses of metrics are called {name}: name them, as NAME={url}")
        targets[name] = url
    return targets


def kept_seconds(hours: float | None, data_dir: Path | None) -> float:
    """How long a console keeps what it is told.

    Args:
        hours: As it was asked for; None to leave it to what is looked at.
        data_dir: Of a run to look at. Of one that has ended nothing more comes, and looking takes nothing away.
    """
    if hours is not None:
        return hours * 3600
    is_over = data_dir is not None and not DataFolder.is_in_use(data_dir)
    return math.inf if is_over else Bounds().age_seconds


def token_in(file: Path | None) -> str | None:
    """The token that a file holds; None without a file.

    Raises:
        UsageError: when it cannot be read, or is none that nobody guesses.
    """
    if file is None:
        return None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"the token in {file} cannot be read ({error})") from error
    if not re.fullmatch(r"[\w-]{16,}", token, re.ASCII):
        raise UsageError(f"what {file} holds is no token: 16 or more letters, digits, - or _")
    return token


def _named(text: str) -> tuple[str, str]:
    head, is_named, rest = text.partition("=")
    name, url = (head, rest) if is_named and "/" not in head else ("", text)
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(f"{text!r} is no address of metrics: give [NAME=]http://host:port/metrics")
    return name or parts.netloc.rpartition("@")[2], url


def _console(wish: Wish, replicas: Replicas) -> Console:
    folder = wish.data_dir
    if folder is not None:
        read_running(folder)  # a wrong folder is said before anything is made in it
    logs = DataFolder(folder).logs if folder is not None else None

    def targets() -> Mapping[str, str]:
        return {**(metrics_of(folder) if folder is not None else {}), **replicas()}

    path = wish.file or (folder or Path(tempfile.mkdtemp(prefix="cartscope-console-"))) / FILE
    return Console(
        path, title=wish.title, targets=targets, logs=wish.logs or logs, bounds=wish.bounds, subject_field=CART
    )


def _extend(console: Console, watched: Watched, operating: Telemetry) -> None:
    console.extend(ShopExtension(watched))
    console.extend(DeadLettersExtension(watched, operating.log))


@contextmanager
def _operating(data_dir: Path | None) -> Iterator[Telemetry]:
    """Where it is logged what a person does on the page: with the logs of the run, else on standard output.

    Raises:
        CartscopeError: when the run's folder cannot be written.
    """
    folder = None if data_dir is None else DataFolder(data_dir).logs
    try:
        telemetry = Telemetry.start(SERVICE, log_folder=folder, stdout=folder is None)
    except (OSError, RuntimeError, ValueError) as error:
        raise CartscopeError(str(error)) from error
    try:
        yield telemetry
    finally:
        telemetry.close()


@contextmanager
def _said() -> Iterator[None]:
    """What the file's error says is told to a person."""
    try:
        yield
    except CannotListen:
        raise
    except OSError as error:
        reason = f"cannot use {error.filename} ({error.strerror})" if error.filename else str(error)
        raise CartscopeError(f"the console cannot start: {reason}") from error


@asynccontextmanager
async def recording(folder: DataFolder, title: str) -> AsyncIterator[Console]:
    """A console that records the run of this process, for as long as the block lasts.

    Spans go to it from now on, unless the environment says where they go.

    Raises:
        CartscopeError: when its file cannot be used.
    """
    console = Console(
        folder.path / FILE,
        title=title,
        targets=lambda: metrics_of(folder.path),
        logs=folder.logs,
        subject_field=CART,
        is_guest=True,
    )
    async with AsyncExitStack() as stack:
        with _said():
            otlp = await stack.enter_async_context(console.recording(LOOPBACK, 0))
        if not any(name in os.environ for name in ENDPOINTS):
            os.environ[ENDPOINTS[1]] = otlp
        yield console


@asynccontextmanager
async def page(console: Console, parts: Parts, api: str) -> AsyncIterator[str]:
    """The page of the run of this process, for as long as the block lasts; gives its address.

    Raises:
        CartscopeError: when its host is none of this machine.
    """
    _extend(console, Watched.within(parts, api), parts.telemetry.named(SERVICE))
    host, wanted = parts.settings.host, parts.settings.console_port
    async with AsyncExitStack() as stack:
        with said_in_one_line("the console", "CARTSCOPE_CONSOLE_PORT"):
            place = Place(host, await asyncio.to_thread(_free, host, wanted))
            yield await stack.enter_async_context(console.serving(place))


def _free(host: str, port: int) -> int:
    """The port, or 0 for any other where that is in use."""
    try:
        return usable_address(host, port)[1]
    except CannotListen:
        return 0
