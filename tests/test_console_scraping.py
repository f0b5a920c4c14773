"""The console scrapes `/metrics` of processes over real HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from cart_observability.console.file import SignalFile
from cart_observability.console.metrics import samples
from cart_observability.console.metrics.scraping import LARGEST_BODY, LATE, MOST_SAMPLES, Scraper, Target
from cart_observability.exposition import Exposition
from cart_observability.metrics import Metrics
from cart_observability.tracing import extract
from support.observability import SAMPLED

QUICK = 0.02
SECONDS = 10.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SignalFile]:
    """A file for samples."""
    file = SignalFile(tmp_path / "signals.db", [samples.SCHEMA])
    yield file
    file.close()


@asynccontextmanager
async def scraping(file: SignalFile, targets: dict[str, str]) -> AsyncIterator[Scraper]:
    """A scraper at work."""
    scraper, stop = Scraper(file, lambda: targets, QUICK), asyncio.Event()
    task = asyncio.create_task(scraper.run(stop))
    try:
        yield scraper
    finally:
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task


@asynccontextmanager
async def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A process that answers so; gives the address of its metrics."""
    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, but not for ever."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(QUICK)


def totals(file: SignalFile, name: str) -> dict[str, float]:
    """What a counter counted, by process."""
    with file.reading() as connection:
        return samples.total_by(connection, name, "process")


async def test_a_process_of_the_library(file: SignalFile) -> None:
    """What a process shows is recorded with its exemplars, again and again, and its source is fresh."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.processed("threshold", "cart.threshold", 0.02, span_context=extract(SAMPLED))
    exposition = Exposition(registry, 0)
    async with scraping(file, {"worker": exposition.url}) as scraper:
        await until(lambda: "worker" in scraper.targets and scraper.targets["worker"].samples > 0)
        metrics.event_handled("threshold", "cart.item_added", "done", 5)
        await until(lambda: totals(file, "cartscope_events_handled_total") == {"worker": 5.0})
        (source,) = scraper.sources(time.time_ns())
    exposition.close()
    assert ("metrics", "worker", "fresh", 0, 0, None) == tuple(
        source[name] for name in ("kind", "name", "state", "dropped", "refused", "detail")
    )
    assert source["received"] > 20
    with file.reading() as connection:
        traces = connection.execute("SELECT trace_id FROM exemplars").fetchall()
    assert [("0af7651916cd43dd8448eb211c80319c",)] == traces


async def test_the_last_scrape(file: SignalFile) -> None:
    """What a process counted since it was last scraped is asked for at the end; one that is slow is not waited for."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    exposition, stop = Exposition(registry, 0), asyncio.Event()
    async with served(slow) as url:
        scraper = Scraper(file, {"worker": exposition.url, "slow": url}, seconds=3_600)
        task = asyncio.create_task(scraper.run(stop))
        await until(lambda: "worker" in scraper.targets and scraper.targets["worker"].samples > 0)
        metrics.event_repeated()
        stop.set()
        async with asyncio.timeout(SECONDS):
            await task
    exposition.close()
    assert {"worker": 1.0} == totals(file, "cartscope_commands_repeated_total")


def test_a_process_that_may_be_starting() -> None:
    """A process that does not answer yet is no trouble, and one that never does is."""
    target = Target("http://127.0.0.1:9/metrics", failures=LATE, reason="connection refused")
    assert "never" == target.source("api", 0, QUICK)["state"]
    target.failures += 1
    assert "silent" == target.source("api", 0, QUICK)["state"]


async def test_processes_that_come_and_go(file: SignalFile) -> None:
    """A process that is down is a counted failure with a reason; it is scraped when it is back, others meanwhile."""
    registry = CollectorRegistry()
    Metrics(registry).event_repeated()
    targets = {"api": "http://127.0.0.1:9/metrics"}
    async with scraping(file, targets) as scraper:
        await until(lambda: "api" in scraper.targets and scraper.targets["api"].failures > LATE)
        (source,) = scraper.sources(time.time_ns())
        assert ("silent", None, "connection refused") == (source["state"], source["last"], source["detail"])
        exposition = Exposition(registry, 0)
        targets |= {"api": exposition.url, "relay": exposition.url}
        await until(lambda: totals(file, "cartscope_commands_repeated_total") == {"api": 1.0, "relay": 1.0})
        del targets["relay"]
        exposition.close()
        failures = scraper.targets["api"].failures
        await until(lambda: scraper.targets["api"].failures > failures)
        sources = scraper.sources(time.time_ns())
    assert {"api": "silent"} == {source["name"]: source["state"] for source in sources if source["name"] == "api"}
    with file.reading() as connection:
        ups = connection.execute(
            "SELECT DISTINCT process, value FROM samples JOIN series ON id = series WHERE name = 'up' ORDER BY 1, 2"
        ).fetchall()
    assert {("api", 0.0), ("api", 1.0), ("relay", 1.0)} <= set(ups)


async def slow(_request: web.Request) -> web.StreamResponse:
    """Answers without an end."""
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.Request) -> web.StreamResponse:
    """Sends more and more."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"# nothing to see\n" * 10_000)


def text(body: str | bytes, status: int = 200, **headers: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers with a text."""

    async def answer(_request: web.Request) -> web.Response:
        content = body if isinstance(body, bytes) else body.encode()
        return web.Response(
            body=content, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    return answer


REFUSED: dict[str, tuple[Callable[[web.Request], Awaitable[web.StreamResponse]], str]] = {
    "a page": (text("<!doctype html>\n<title>Hello</title>"), "not an exposition"),
    "an error": (text("", 500), "status 500"),
    "somewhere else": (text("", 302, Location="http://127.0.0.1:9/"), "status 302"),
    "no text": (text(b"\xff\xfe\x00"), "no text"),
    "compressed": (text(b"\x1f\x8b", Content_Encoding="gzip"), "gzip"),
    "cut off": (text("# TYPE a gauge\na 1\n", Content_Type="application/openmetrics-text"), "EOF"),
    "too large": (endless, str(LARGEST_BODY)),
    "too many": (
        text("# TYPE a gauge\n" + "".join(f'a{{n="{n}"}} 1\n' for n in range(MOST_SAMPLES + 1))),
        str(MOST_SAMPLES),
    ),
    "without an end": (slow, "no answer in"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_exposition(case: str, file: SignalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a process answers that is no exposition is one counted failure, which says why, and the next comes."""
    monkeypatch.setattr(
        "cart_observability.console.metrics.scraping.TIMEOUT_SECONDS", 0.2 if case == "without an end" else 5
    )
    answer, reason = REFUSED[case]
    async with served(answer) as url, scraping(file, {"odd": url}) as scraper:
        await until(lambda: "odd" in scraper.targets and scraper.targets["odd"].failures > 1)
        (source,) = scraper.sources(time.time_ns())
    assert (None, 0) == (source["last"], source["received"])
    assert reason in source["detail"]


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://", "http://[::1", "ftp://127.0.0.1/metrics", "http://no.such.host.invalid/"]
)
async def test_addresses_that_are_none(url: str, file: SignalFile) -> None:
    """An address that leads nowhere is a counted failure."""
    async with scraping(file, {"odd": url}) as scraper:
        await until(lambda: "odd" in scraper.targets and scraper.targets["odd"].failures > 0)
        assert scraper.targets["odd"].reason


async def test_a_file_that_is_full(tmp_path: Path) -> None:
    """A scrape that finds no room is dropped and counted; what comes after the jam is recorded."""
    file = SignalFile(tmp_path / "signals.db", [samples.SCHEMA], limit=2)
    begun, held = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_connection: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(held.wait(), loop).result(SECONDS)

    file.submit(hold, 2)
    await begun.wait()
    async with served(text("# TYPE a gauge\na 1\n")) as url, scraping(file, {"odd": url}) as scraper:
        await until(lambda: "odd" in scraper.targets and scraper.targets["odd"].dropped > 0)
        assert "no room" in str(scraper.sources(time.time_ns())[0]["detail"])
        held.set()
        await until(lambda: scraper.targets["odd"].samples > 0)
        assert scraper.targets["odd"].reason is None
    file.close()


async def test_a_file_that_fails(file: SignalFile) -> None:
    """A scrape that cannot be stored is a counted failure, and recording goes on when it can be."""
    async with served(text("# TYPE a gauge\na 1\n")) as url, scraping(file, {"odd": url}) as scraper:
        await until(lambda: "odd" in scraper.targets and scraper.targets["odd"].samples > 0)
        await asyncio.wrap_future(file.submit(lambda c: c.execute("ALTER TABLE samples RENAME TO away").rowcount))
        await until(lambda: scraper.targets["odd"].failures > 0)
        await asyncio.wrap_future(file.submit(lambda c: c.execute("ALTER TABLE away RENAME TO samples").rowcount))
        before = scraper.targets["odd"].samples
        await until(lambda: scraper.targets["odd"].samples > before)
    with file.reading() as connection:
        assert samples.value_by(connection, "a")


async def test_targets_that_cannot_be_told(file: SignalFile, caplog: pytest.LogCaptureFixture) -> None:
    """While nobody can say what is to be scraped, what was goes on; that is told of once."""
    told: list[dict[str, str]] = [{"odd": "http://127.0.0.1:9/metrics"}]
    scraper, stop = Scraper(file, lambda: told[0], QUICK), asyncio.Event()
    task = asyncio.create_task(scraper.run(stop))
    await until(lambda: "odd" in scraper.targets and scraper.targets["odd"].failures > 0)
    del told[0]
    await until(lambda: bool(caplog.records))
    failures = scraper.targets["odd"].failures
    await until(lambda: scraper.targets["odd"].failures > failures + 2)
    stop.set()
    await task
    assert ["the console cannot learn what to scrape"] == [record.message for record in caplog.records]
