"""How long the dashboards' queries take on a day of data at a scrape every 5 s, and how many series a run has.

    python benchmarks/dashboards.py [--hours N] [--keep FOLDER]

Runs `cartscope native` for a minute, makes a day out of what its Prometheus then knows (each series at its true rate
and level, every 5 s), records the rules over it, and asks a Prometheus of its own every query that a dashboard asks on
opening: on the dashboard's own time range, and on the whole day. A folder given by --keep is filled once and used
again.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from prometheus_client.parser import text_string_to_metric_families

from cart_platform.native.ports import free_ports
from cart_platform.native.probe import serves
from cart_platform.native.program import Program
from support.grafana_queries import Query, queries
from support.servers import RunningProgram

ROOT = Path(__file__).parent.parent
SCRAPE = 5
BLOCK = 7_200
REPEATS = 5


@dataclass(frozen=True)
class Series:
    """One series of the run: its identity as written, its last value, and whether it counts up."""

    identity: str
    value: float
    counts: bool

    def at(self, share: float) -> float:
        """Its value when this share of the day has gone: a counter on its way, a level that swings by a tenth."""
        return self.value * share if self.counts else self.value * (1 + 0.1 * math.sin(share * 300))


def series_of(url: str) -> list[Series]:
    """What a Prometheus knows at this moment, without what its rules recorded."""
    match = urllib.parse.quote('{__name__=~"[a-z_]+"}')
    with urllib.request.urlopen(f"{url}/federate?match[]={match}") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return [
        Series(_identity(sample.name, sample.labels), sample.value, sample.name.endswith(COUNTED))
        for family in families
        for sample in family.samples
        if math.isfinite(sample.value)
    ]


COUNTED = ("_total", "_bucket", "_count", "_sum")


def _identity(name: str, labels: dict[str, str]) -> str:
    written = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    return f"{name}{{{written}}}"


def fill(folder: Path, series: list[Series], start: int, end: int) -> None:
    """Write the day into the folder as Prometheus' blocks."""
    for block in range(start, end, BLOCK):
        stamps = range(block, min(block + BLOCK, end), SCRAPE)
        with tempfile.NamedTemporaryFile("w", suffix=".om") as file:
            for one in series:
                scale = 1_000 if one.counts else 1  # A day's counts, not a minute's.
                file.writelines(
                    f"{one.identity} {one.at((stamp - start) / (end - start)) * scale:.9g} {stamp}\n"
                    for stamp in stamps
                )
            file.write("# EOF\n")
            file.flush()
            _promtool("create-blocks-from", "openmetrics", file.name, str(folder))
        print(f"  filled {(block - start) // 3600} of {(end - start) // 3600} hours", file=sys.stderr)


def _promtool(*arguments: str) -> None:
    subprocess.run(["promtool", "tsdb", *arguments], check=True, stdout=subprocess.DEVNULL)


def record(folder: Path, url: str, start: int, end: int) -> None:
    """Evaluate the recording rules over the day."""
    rules = str(ROOT / "prometheus/rules/recording.yml")
    limits = (f"--start={start}", f"--end={end}", f"--output-dir={folder}", "--eval-interval=15s")
    _promtool("create-blocks-from", "rules", f"--url={url}", *limits, rules)


@dataclass(frozen=True)
class Timing:
    """How long one query took, in ms: on the dashboard's own time range and on the whole day, medians of `REPEATS`."""

    query: Query
    usual: float
    day: float


def timings(url: str, end: int) -> Iterator[Timing]:
    """Ask every query of every dashboard that Grafana asks Prometheus on opening it."""
    for file in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        usual = RANGES[dashboard["time"]["from"]]
        for query in queries(dashboard):
            if query.source == "prometheus" and query.visible:
                yield Timing(query, *(_median(url, query, end, seconds) for seconds in (usual, 86_400)))


RANGES = {"now-15m": 900, "now-30m": 1_800, "now-1h": 3_600}
POINTS = 1_000
"""Of a curve: about as many as a panel has pixels."""


def _median(url: str, query: Query, end: int, seconds: int) -> float:
    return statistics.median(_ask(url, query, end, seconds) for _ in range(REPEATS)) * 1_000


def _ask(url: str, query: Query, end: int, seconds: int) -> float:
    moments = (
        {"time": end}
        if query.instant
        else {"start": end - seconds, "end": end, "step": max(SCRAPE, round(seconds / POINTS))}
    )
    path = "query" if query.instant else "query_range"
    body = urllib.parse.urlencode({"query": query.text, **moments}).encode()
    start = time.perf_counter()
    with urllib.request.urlopen(f"{url}/api/v1/{path}", body) as answer:
        answer.read()
    return time.perf_counter() - start


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """A Prometheus that serves the folder's data and collects nothing."""
    [port] = free_ports(1)
    (folder / "empty.yml").write_text("{}")
    program = Program(
        "prometheus",
        (
            "prometheus",
            f"--config.file={folder / 'empty.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
        folder,
        ready=lambda: serves(port, "/-/ready"),
    )
    running = RunningProgram(program)
    running.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()


def snapshot(folder: Path) -> list[Series]:
    """What the Prometheus of a minute's native run knows."""
    command = [sys.executable, "-m", "cart_platform", "native", "--duration", "75", "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
        time.sleep(70)
        url = json.loads((folder / "running.json").read_text())["urls"]["prometheus"]
        series = series_of(url)
        run.wait()
    return series


def filled(folder: Path, hours: int) -> int:
    """Fill the folder unless it is; gives the end of the day, in seconds since the epoch."""
    mark = folder / "end"
    if not mark.exists():
        end = int(time.time()) // BLOCK * BLOCK
        with tempfile.TemporaryDirectory() as run:
            series = snapshot(Path(run))
        print(f"series of the run, without recorded ones: {len(series)}")
        fill(folder / "data", series, end - hours * 3_600, end)
        with prometheus(folder) as url:
            record(folder / "data", url, end - hours * 3_600, end)
        mark.write_text(str(end))
    return int(mark.read_text())


def main() -> None:
    """Fill, ask, and print the slowest queries and the slowest of each dashboard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24, help="of data, a multiple of two")
    parser.add_argument("--keep", type=Path, help="a folder to fill once and use again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        folder = options.keep or Path(fresh)
        folder.mkdir(parents=True, exist_ok=True)
        end = filled(folder, options.hours)
        with prometheus(folder) as url:
            taken = sorted(timings(url, end), key=lambda timing: -timing.usual)
    print(f"{'ms usual':>9} {'ms a day':>9}  query")
    for timing in taken[:15]:
        print(f"{timing.usual:9.1f} {timing.day:9.1f}  {timing.query.dashboard}: {timing.query.where}")
    for uid in dict.fromkeys(timing.query.dashboard for timing in taken):
        own = [timing for timing in taken if timing.query.dashboard == uid]
        print(f"{uid}: {len(own)} queries, slowest {own[0].usual:.0f} ms, {max(one.day for one in own):.0f} on a day")


if __name__ == "__main__":
    main()
