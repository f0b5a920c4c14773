"""What the console costs a demo: throughput and CPU of a replay with and without it, in turn; and how soon it is up.

A demo without a console makes no spans. So that what these cost can be told from what the console does, a third replay
goes without it, too, and sends its spans to what throws them away.

    .venv/bin/python benchmarks/console.py FILE_OF_BASKETS [--rounds 5]

Memory is that of a demo at 20 events a second with a page open, after a minute.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def replay(file: Path, options: Sequence[str], more: dict[str, str]) -> tuple[float, float]:
    """Events a second that a replay gets through, and seconds of CPU of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(
        [*CARTSCOPE, "--replay", str(file), "--json", *options],
        env=ENVIRONMENT | more,
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(finished.stdout)["rates"]["throughput"], cpu


def compare(file: Path, rounds: int) -> None:
    """Print all ways, round by round, and the ratios of their medians."""
    rates: dict[str, list[float]] = {"without": [], "traced": [], "with": []}
    with sink() as address:
        ways = {
            "without": (WITHOUT, {}),
            "traced": (WITHOUT, {"OTEL_EXPORTER_OTLP_ENDPOINT": address}),
            "with": ((), {}),
        }
        for number in range(rounds):
            # The other way round every other time: a machine that slows down meanwhile favours no way.
            for name in list(ways)[:: 1 if number % 2 == 0 else -1]:
                options, more = ways[name]
                rate, cpu = replay(file, options, more)
                rates[name].append(rate)
                print(f"round {number + 1} {name:8} {rate:8.1f} events/s {cpu:6.1f} s of CPU", flush=True)
    median = {name: statistics.median(found) for name, found in rates.items()}
    print(f"with the console {median['with'] / median['without']:.3f} of the throughput without")
    print(
        f"with the console {median['with'] / median['traced']:.3f} of the throughput without, where spans are made, too"
    )


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
    parser.add_argument("--rounds", type=int, default=5)
    asked_for = parser.parse_args()
    start()
    compare(asked_for.file, asked_for.rounds)
