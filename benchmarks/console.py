"""What the console costs a demo: throughput and CPU of a replay with and without it, in turn; and how soon it is up.

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
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

CARTSCOPE = (sys.executable, "-m", "cart_platform", "demo")
ENVIRONMENT = os.environ | {"CARTSCOPE_API_PORT": "0", "CARTSCOPE_CONSOLE_PORT": "0"}
WARM_SECONDS = 60


def replay(file: Path, options: Sequence[str]) -> tuple[float, float]:
    """Events a second that a replay gets through, and seconds of CPU of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(
        [*CARTSCOPE, "--replay", str(file), "--json", *options], env=ENVIRONMENT, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(finished.stdout)["rates"]["throughput"], cpu


def compare(file: Path, rounds: int) -> None:
    """Print both ways, round by round, and the ratio of their medians."""
    ways: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    for number in range(rounds):
        for name, options in (("without", ["--no-console"]), ("with", [])):
            ways[name].append(replay(file, options))
            rate, cpu = ways[name][-1]
            print(f"round {number + 1} {name:8} {rate:8.1f} events/s {cpu:6.1f} s of CPU")
    rates = {name: statistics.median(rate for rate, _ in found) for name, found in ways.items()}
    print(f"with the console {rates['with'] / rates['without']:.3f} of the throughput without")


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
