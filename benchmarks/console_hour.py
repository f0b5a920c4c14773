"""An hour of a chain of 1,000 events/s in the console: what it keeps of it, and how soon its page shows it.

    .venv/bin/python benchmarks/console_hour.py [--minutes 60] [--max-bytes 2000000000]

A console of its own is fed as fast as it takes it, in the ways it is always fed: log files (4 lines an event) that it
follows and that are rotated, and spans by OTLP (of 1 event in 50). The history of a demo's metrics, put at the rate of
the hour, is in its file before it starts, and goes on where it scrapes. Then every page is opened in Chromium, for the
last hour and for the whole run, and each request that the page makes is timed in the browser.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import msgspec
import psutil
from console_lines import EVENTS_PER_SECOND, ROLES, chain
from console_spans import Chain
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from playwright.async_api import Page
from playwright.async_api import Request as Asked
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cart_observability.console.file import SignalFile
from cart_observability.console.ingest import SCHEMAS
from cart_observability.console.metrics.openmetrics import Reader
from cart_observability.console.metrics.samples import Recorder, condense
from cart_observability.console.metrics.tiers import SECOND
from cart_observability.console.records import Family, Sample
from cart_platform.native.ports import free_ports
from support.browser import chromium

CARTSCOPE = (sys.executable, "-m", "cart_platform")
SCRAPE_SECONDS = 2
PROCESS = "demo"
SAMPLED = 50
"""Of so many events one is traced."""
ROUND_EVENTS = 100
"""Events of one round of the traced chain: a body of spans of each process."""
LARGEST_LOG = 64 << 20
MOST_AHEAD = 200_000
"""Lines that are written and not yet read: so many that the console never waits for them."""
OPENINGS = 3
PAGES = {
    "way": ".way-node",
    "charts": ".charts-chart, [role=slider]",
    "events": ".events-row, table tbody tr",
    "logs": ".logs-line",
    "logs?q=log.level:warning": ".logs-line",
    "logs?q=cartscope.handler:threshold": ".logs-line",
    "logs?q=TimeoutError": ".logs-line",
    "logs?q=event.duration>=2000000": ".logs-line",
    "logs?q=event handled": ".logs-line",
    "logs?q=NOT log.level:info": ".logs-line",
    "logs?q=cart*": ".logs-line",
    "logs?q=event.duration:*": ".logs-line",
    "capacity": ".capacity-figures",
}
RANGES = ("3600", "whole")


def metrics_of_a_demo(folder: Path) -> list[Family]:
    """What a demo shows of itself after some seconds."""
    environment = os.environ | {"CARTSCOPE_API_PORT": "0"}
    demo = subprocess.Popen(
        [*CARTSCOPE, "demo", "--no-console", "--rate", "50", "--data-dir", str(folder)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        running = folder / "running.json"
        while not running.exists() or running.stat().st_mtime + 10 > time.time():
            time.sleep(0.1)
        metrics = json.loads(running.read_text())["urls"]["metrics"]["api"]
        request = Request(metrics, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
        with urlopen(request, timeout=5) as answer:
            return Reader().read(answer.read().decode(), time.time_ns(), is_openmetrics=True)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()


class Metrics:
    """The metrics of a demo, as they would be at the rate of the hour.

    Args:
        families: What a demo showed.
        start: When the hour began, in seconds since the epoch.
    """

    def __init__(self, families: Sequence[Family], start: float) -> None:
        self._families = families
        self._start = start
        samples = [sample for family in families for sample in family.samples]
        self._accepted = sum(each.value for each in samples if each.name == "cartscope_events_accepted_total")
        self.series = len(samples)

    def at(self, now: float) -> list[Family]:
        """What it shows at a time: all that it counts has grown with the events, levels swing by a tenth."""
        grown = (now - self._start) * EVENTS_PER_SECOND / self._accepted
        return [_scaled(family, grown) for family in self._families]

    def record(self, file: SignalFile, end: float) -> None:
        """Record all of its past until a time."""
        recorder = Recorder(PROCESS)

        def recorded(connection: sqlite3.Connection, now: int) -> None:
            recorder.record(connection, now, self.at(now / SECOND))
            while condense(connection, now):
                pass

        for second in range(round(self._start), round(end), SCRAPE_SECONDS):
            file.submit(partial(recorded, now=second * SECOND)).result()

    @contextmanager
    def served(self) -> Iterator[str]:
        """Show it as a process does; gives the address."""

        def application(_environment: WSGIEnvironment, respond: StartResponse) -> Iterable[bytes]:
            respond("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
            return [line.encode() for family in self.at(time.time()) for line in _exposed(family)]

        class Silent(WSGIRequestHandler):
            def log_message(self, format: str, *_args: object) -> None:  # noqa: A002  the name of the class above
                """Says nothing of each request."""

        with make_server("127.0.0.1", 0, application, handler_class=Silent) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/metrics"
            server.shutdown()


def _scaled(family: Family, grown: float) -> Family:
    """A family at another time: counts have grown so many times, a level swings by a tenth."""

    def value(sample: Sample) -> float:
        is_count = family.kind in ("counter", "histogram")
        return float(round(sample.value * grown)) if is_count else sample.value * random.uniform(0.9, 1.1)

    return family._replace(samples=[each._replace(value=value(each), exemplar=None) for each in family.samples])


def _exposed(family: Family) -> Iterator[str]:
    """A family in Prometheus' text format, in which counters go by the names of their samples."""
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    yield f"# TYPE {name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{label}="{value}"' for label, value in sample.labels)
        yield f"{sample.name}{{{labels}}} {sample.value}\n"


class Fed:
    """The console that is fed, and how much it is."""

    def __init__(self, url: str, otlp: str, process: int) -> None:
        self.url = url
        self.otlp = otlp
        self.process = psutil.Process(process)
        self.memory = 0

    def overview(self) -> dict[str, Any]:
        """What it says of itself."""
        self.memory = max(self.memory, self.process.memory_info().rss)
        with urlopen(f"{self.url}/api/overview", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def source(self, kind: str) -> dict[str, Any]:
        """The first source of a kind: of spans, all that come."""
        return next(source for source in self.overview()["sources"] if source["kind"] == kind)

    def send(self, body: bytes) -> None:
        """Send spans, again and again while it has no room."""
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        request = Request(f"{self.otlp}/v1/traces", body, headers)
        while True:
            with contextlib.suppress(OSError), urlopen(request, timeout=60):
                return
            time.sleep(0.05)


def write_logs(folder: Path, start: float, events: int, fed: Fed) -> Iterator[int]:
    """Write the log files, never far ahead of the console; gives how many events are in them."""
    written = 0
    with ExitStack() as opened:
        files = {role: opened.enter_context((folder / f"{role}.log").open("wb")) for role in ROLES}
        began = datetime.fromtimestamp(start, UTC)
        for role, line in chain(events * len(ROLES), random.Random(5), began):
            files[role].write(msgspec.json.encode(line) + b"\n")
            written += 1
            if files[role].tell() > LARGEST_LOG:
                files[role].close()
                (folder / f"{role}.log").rename(folder / f"{role}.log.1")
                files[role] = opened.enter_context((folder / f"{role}.log").open("wb"))
            if written % 20_000 == 0:
                for file in files.values():
                    file.flush()
                while written - fed.source("logs")["received"] > MOST_AHEAD:
                    time.sleep(0.05)
                yield written // len(ROLES)


def bodies(start: float, events: int) -> Iterator[tuple[float, bytes]]:
    """What the processes send of their spans, and when."""
    traced = Chain()
    for number in range(0, events // SAMPLED, ROUND_EVENTS):
        at = start + number * SAMPLED / EVENTS_PER_SECOND
        shift = round(at * SECOND) - time.time_ns()
        while traced.number < number + ROUND_EVENTS:
            traced.some_events()
        for process in traced.processes:
            sent = encode_spans(process.kept.spans)
            process.kept.spans.clear()
            for span in (span for of in sent.resource_spans for scope in of.scope_spans for span in scope.spans):
                span.start_time_unix_nano += shift
                span.end_time_unix_nano += shift
            yield at, gzip.compress(sent.SerializeToString(), 1)


def feed(fed: Fed, folder: Path, start: float, events: int) -> float:
    """Feed all of it; answers how many seconds that took."""
    began = time.monotonic()
    spans = bodies(start, events)
    at, body = next(spans)
    with Progress() as progress:
        task = progress.add_task("events", total=events)
        for written in write_logs(folder, start, events, fed):
            while at < start + written / EVENTS_PER_SECOND and body:
                fed.send(body)
                at, body = next(spans, (at, b""))
            progress.update(task, completed=written)
    while fed.source("logs")["received"] < events * len(ROLES):
        time.sleep(0.2)
    return time.monotonic() - began


@contextmanager
def console(folder: Path, metrics: str, most: int) -> Iterator[Fed]:
    """A console on a folder, which may become so large, and the address of metrics."""
    port, otlp = free_ports(2)
    arguments = ["--metrics", f"{PROCESS}={metrics}", "--logs", str(folder / "logs"), "--max-bytes", str(most)]
    arguments += ["--file", str(folder / "signals.db"), "--otlp", str(otlp), "--port", str(port)]
    process = subprocess.Popen([*CARTSCOPE, "console", *arguments], stdout=subprocess.DEVNULL)
    fed = Fed(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{otlp}", process.pid)
    try:
        while True:
            with contextlib.suppress(OSError):
                fed.overview()
                break
            time.sleep(0.1)
        yield fed
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


class Requests:
    """How long the requests of a page took, as its browser saw it, in ms."""

    def __init__(self, page: Page) -> None:
        self.taken: defaultdict[str, list[float]] = defaultdict(list)
        page.on("requestfinished", self._finished)

    def _finished(self, request: Asked) -> None:
        path = urlsplit(request.url).path
        if path.startswith("/api/") and path != "/api/live":
            timing = request.timing
            self.taken[path].append(timing["responseEnd"] - timing["requestStart"])


async def look(fed: Fed) -> None:
    """Open every page and print how soon it stands, and how long its requests took."""
    opened = Table("page", *RANGES, title="Milliseconds until a page that is opened anew stands, the worst of three")
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        requests = Requests(page)
        for name, content in PAGES.items():
            joint = "&" if "?" in name else "?"
            addresses = [f"{fed.url}/#/{name}{joint}last={last}" for last in RANGES]
            worst = [max([await _opened(page, address, content) for _ in range(OPENINGS)]) for address in addresses]
            opened.add_row(name, *(f"{each:.0f}" for each in worst))
            fed.overview()
        await page.goto("about:blank")
    asked = Table("request", "asked", "median, ms", "worst, ms", title="Requests of these pages")
    for path, times in sorted(requests.taken.items()):
        asked.add_row(path, str(len(times)), f"{statistics.median(times):.0f}", f"{max(times):.0f}")
    Console().print(opened, asked)


async def _opened(page: Page, address: str, content: str) -> float:
    """Milliseconds from opening an address in a fresh document until what it is for is there."""
    await page.goto("about:blank")
    began = time.monotonic()
    await page.goto(address)
    await page.wait_for_selector(content)
    taken = (time.monotonic() - began) * 1e3
    # The requests that the page still makes count too.
    await page.wait_for_timeout(1_500)
    return taken


def measure(folder: Path, minutes: float, most: int) -> None:
    """Feed an hour and look at it."""
    seconds, printer = round(minutes * 60), Console()
    events, start = seconds * EVENTS_PER_SECOND, time.time() - seconds
    metrics = Metrics(metrics_of_a_demo(folder / "demo"), start)
    (folder / "logs").mkdir()
    file = SignalFile(folder / "signals.db", SCHEMAS)
    metrics.record(file, time.time())
    file.close()
    size = file.size / 1e6
    printer.print(f"{minutes:g} minutes of {metrics.series:,} series every {SCRAPE_SECONDS} s: {size:.0f} MB")
    with metrics.served() as address, console(folder, address, most) as fed:
        taken = feed(fed, folder / "logs", start, events)
        overview = fed.overview()
        printer.print(
            f"{events:,} events in {taken:.0f} s: {fed.source('logs')['received'] / taken:,.0f} lines/s, "
            f"{overview['size'] / 1e6:,.0f} MB of {most / 1e6:,.0f} MB"
        )
        for source in overview["sources"]:
            counts = f"{source['received']:,} received, {source['dropped']:,} dropped, {source['refused']:,} refused"
            printer.print(f"  {source['kind']} {source['name']}: {counts}")
        asyncio.run(look(fed))
        printer.print(f"{fed.memory / 1e6:.0f} MB of memory at most")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--max-bytes", type=int, default=2_000_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.minutes, arguments.max_bytes)


if __name__ == "__main__":
    main()
