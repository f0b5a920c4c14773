"""How smoothly the map moves: frames a second at 100 events/s, by Chromium's own tracing.

    .venv/bin/python benchmarks/console_frames.py [--rate 100] [--seconds 10]

Opens the map of a demo at that rate, and traces the browser's compositor: each frame that it meant to show is presented
whole, in part (without what the page drew last), or dropped. The chain, the console and the browser, which paints
without a graphics card, share the machine.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import chromium

CARTSCOPE = (sys.executable, "-m", "cart_platform", "demo")
CATEGORIES = ["cc", "benchmark", "viz", "devtools.timeline", "disabled-by-default-devtools.timeline.frame"]
WARM_SECONDS = 15
WIDTHS = (1280, 1920)


@contextmanager
def demo(rate: str) -> Iterator[str]:
    """A demo of so many commands a second; gives the address of its page."""
    folder = Path(tempfile.mkdtemp())
    run = subprocess.Popen(
        [*CARTSCOPE, "--rate", rate, "--data-dir", str(folder)],
        env=os.environ | {"CARTSCOPE_API_PORT": "0", "CARTSCOPE_CONSOLE_PORT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (folder / "running.json").exists():
            time.sleep(0.1)
        time.sleep(WARM_SECONDS)
        yield json.loads((folder / "running.json").read_text())["urls"]["console"]
    finally:
        run.send_signal(signal.SIGINT)
        run.wait()


def frames(trace: Sequence[dict[str, Any]]) -> list[tuple[float, str]]:
    """When the frames of the page came to their end, in ms, and how: as the process tells it that has most of them."""
    reported = [event for event in sorted(trace, key=itemgetter("ts")) if event["name"] == "PipelineReporter"]
    page = Counter(event["pid"] for event in reported).most_common(1)[0][0]
    begun: dict[str, str] = {}
    ended = []
    for event in reported:
        if event["pid"] == page and event["ph"] == "b":
            begun[event["id2"]["local"]] = event["args"]["frame_reporter"]["state"]
        elif event["pid"] == page and event["id2"]["local"] in begun:
            ended.append((event["ts"] / 1e3, begun.pop(event["id2"]["local"]).removeprefix("STATE_").lower()))
    return ended


def print_frames(width: int, ended: Sequence[tuple[float, str]], seconds: float) -> None:
    """Print how many frames a second were presented whole, what became of all, and how evenly the whole came."""
    whole = [moment for moment, state in ended if state == "presented_all"]
    gaps = sorted(after - before for before, after in pairwise(whole))
    print(f"{width} px: {len(whole) / seconds:.1f} frames/s, {dict(Counter(state for _, state in ended))}")
    print(
        f"  between two: median {median(gaps):.1f} ms, p95 {gaps[len(gaps) * 95 // 100]:.1f} ms, most {gaps[-1]:.1f} ms"
    )


async def watch(url: str, seconds: float) -> None:
    """Trace the map at some widths."""
    async with chromium() as browser:
        for width in WIDTHS:
            page = await browser.new_page(viewport={"width": width, "height": 900})
            await page.goto(f"{url}/#/way")
            await page.wait_for_selector(".way-node")
            await page.wait_for_timeout(3_000)
            await browser.start_tracing(page=page, categories=CATEGORIES)
            began = time.monotonic()
            await page.wait_for_timeout(seconds * 1_000)
            took = time.monotonic() - began
            trace = json.loads(await browser.stop_tracing())
            print_frames(width, frames(trace["traceEvents"]), took)
            await page.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", default="100")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with demo(arguments.rate) as url:
        asyncio.run(watch(url, arguments.seconds))


if __name__ == "__main__":
    main()
