"""What the console costs a demo: throughput of a replay with and without it; and how soon it is up.

Both replays run side by side, each on a processor of its own, and again with the processors swapped: a machine that
slows down meanwhile slows down both, and all that the console does is at the expense of its own chain. A demo without a
console makes no spans. So that what these cost can be told from what the console does, another pair has no console, and
one of it sends its spans to what throws them away.

    .venv/bin/python benchmarks/console.py FILE_OF_BASKETS [--rounds 3]

Memory is that of a demo at 20 events a second with a page open, after a minute.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import psutil

CARTSCOPE = (sys.executable, "-m", "cart_platform", "demo")
ENVIRONMENT = os.environ | {"CARTSCOPE_API_PORT": "0", "CARTSCOPE_CONSOLE_PORT": "0"}
WARM_SECONDS = 60
WITHOUT = ("--no-console",)


class Sink(BaseHTTPRequestHandler):
    """Takes spans, and throws them away."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take some."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_args: object) -> None:  # noqa: A002  the name of the class above
        """Says nothing of each request."""


@contextmanager
def sink() -> Iterator[str]:
    """What throws spans away; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Replay:
    """A replay under way, on one processor.

    Args:
        file: Of baskets.
        options: Of the demo.
        more: Environment.
        processor: The number of the one it has.
    """

    def __init__(self, file: Path, options: Sequence[str], more: dict[str, str], processor: int) -> None:
        self._process = psutil.Popen(
            [*CARTSCOPE, "--replay", str(file), "--json", *options],
            env=ENVIRONMENT | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._process.cpu_affinity([processor])

    def throughput(self) -> float:
        """Events a second that it got through, when it is over."""
        told, _ = self._process.communicate()
        if self._process.returncode:
            raise SystemExit("a replay failed")
        return float(json.loads(told)["rates"]["throughput"])


def compare(file: Path, rounds: int) -> None:
    """Print what each way gets through beside a demo without a console, round by round, and the medians."""
    with sink() as address:
        ways: dict[str, tuple[Sequence[str], dict[str, str]]] = {
            "with the console": ((), {}),
            "spans, thrown away": (WITHOUT, {"OTEL_EXPORTER_OTLP_ENDPOINT": address}),
        }
        ratios: dict[str, list[float]] = {name: [] for name in ways}
        one, other = sorted(os.sched_getaffinity(0))[:2]
        for number, (own, plain) in product(range(rounds), ((one, other), (other, one))):
            for name, (options, more) in ways.items():
                pair = Replay(file, options, more, own), Replay(file, WITHOUT, {}, plain)
                rate, rate_without = [replay.throughput() for replay in pair]
                ratios[name].append(rate / rate_without)
                said = f"{rate:6.0f} of {rate_without:6.0f} events/s: {rate / rate_without:.3f}"
                print(f"round {number + 1} {name:18} {said}", flush=True)
    for name, of_rounds in ratios.items():
        print(f"{name}: {statistics.median(of_rounds):.3f} of the throughput without, by the median")


def asked(url: str, path: str) -> Any:
    """What a console answers."""
    with urlopen(url + path, timeout=10) as answer:
        return json.load(answer)


def start() -> None:
    """Print how long after the command the first event is in the page, and the memory after a minute."""
    folder = Path(tempfile.mkdtemp())
    began = time.monotonic()
    demo = subprocess.Popen(
        [*CARTSCOPE, "--data-dir", str(folder)], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (folder / "running.json").exists():
            time.sleep(0.01)
        url = json.loads((folder / "running.json").read_text())["urls"]["console"]
        while not asked(url, "/api/events?limit=1")["events"]:
            time.sleep(0.01)
        print(f"first event in the page {time.monotonic() - began:.2f} s after the command")
        with urlopen(f"{url}/api/live", timeout=10) as page:
            while time.monotonic() < began + WARM_SECONDS:
                page.readline()
        print(f"{psutil.Process(demo.pid).memory_info().rss / 1e6:.0f} MB after {WARM_SECONDS} s with a page open")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked_for = parser.parse_args()
    start()
    compare(asked_for.file, asked_for.rounds)
