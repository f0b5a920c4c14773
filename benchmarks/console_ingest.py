"""Whether a console keeps up with 10,000 spans and 10,000 log lines a second, as they come: over HTTP and in files.

    .venv/bin/python benchmarks/console_ingest.py [--seconds 30] [--rate 10000]

What comes is made beforehand. Printed are how soon after the last of it came all is recorded, what was asked for again,
and how much of a processor it took.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from console_hour import Fed, console
from console_lines import ROLES, chain
from console_spans import bodies

BATCH = 512
"""Spans of a body: what the OpenTelemetry SDK sends at a time."""
SENDERS = 4
STEP_SECONDS = 0.1
SPANS_AN_EVENT = 11


def lines_of(count: int) -> list[tuple[str, bytes]]:
    """So many lines, each with the role whose file it goes to."""
    made = chain(count, random.Random(5), datetime.now(UTC))
    return [(role, msgspec.json.encode(line) + b"\n") for role, line in made]


def send(fed: Fed, sent: Sequence[tuple[bytes, int]], rate: float) -> None:
    """Send spans at a rate, several bodies at once."""
    began, done = time.monotonic(), 0
    with ThreadPoolExecutor(SENDERS) as senders:
        for body, count in sent:
            senders.submit(fed.send, body)
            done += count
            time.sleep(max(0.0, began + done / rate - time.monotonic()))


def write(folder: Path, lines: Sequence[tuple[str, bytes]], rate: float) -> None:
    """Write lines at a rate, a tenth of a second's at a time."""
    files = {role: (folder / f"{role}.log").open("ab") for role in ROLES}
    step = round(rate * STEP_SECONDS)
    began = time.monotonic()
    for start in range(0, len(lines), step):
        for role, line in lines[start : start + step]:
            files[role].write(line)
        for file in files.values():
            file.flush()
        time.sleep(max(0.0, began + (start + step) / rate - time.monotonic()))
    for file in files.values():
        file.close()


def measure(folder: Path, seconds: float, rate: float) -> None:
    """Let it come, and watch."""
    count = round(seconds * rate)
    lines, sent = lines_of(count), list(bodies(count // SPANS_AN_EVENT, BATCH))
    spans = sum(amount for _, amount in sent)
    (folder / "logs").mkdir()
    with console(folder, "http://127.0.0.1:9/metrics", 2_000_000_000) as fed, ThreadPoolExecutor(2) as threads:
        began, spent = time.monotonic(), sum(fed.process.cpu_times()[:2])
        work = [threads.submit(send, fed, sent, rate), threads.submit(write, folder / "logs", lines, rate)]
        wait(work)
        taken = time.monotonic() - began
        while fed.source("logs")["received"] < len(lines) or fed.source("traces")["received"] < spans:
            time.sleep(0.02)
        late = time.monotonic() - began - taken
        share = (sum(fed.process.cpu_times()[:2]) - spent) / (taken + late)
        print(
            f"{spans / taken:,.0f} spans/s and {len(lines) / taken:,.0f} lines/s for {taken:.0f} s: {share:.2f} cores"
        )
        print(f"all recorded {late:.2f} s after the last came")
        print(f"{fed.source('traces')['detail']}; {fed.memory / 1e6:.0f} MB of memory at most")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.seconds, arguments.rate)


if __name__ == "__main__":
    main()
