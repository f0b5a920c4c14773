"""Lines per second of the shipper, and the size of the index per million events, with and without best_compression.

    .venv/bin/cartscope native --replay BASKETS --data-dir RUN
    .venv/bin/python benchmarks/log_shipping.py RUN

Needs the core of Elasticsearch that tests/install-servers lays out. What the shipper reads is copied and read from its
start; the index is merged into one segment before it is measured.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cart_observability.elastic import template
from cart_observability.elastic.shipper import ship
from cart_platform.lifetime import Stop
from support.elasticsearch_server import ElasticsearchServer

TEMPLATES = Path(__file__).parents[1] / "elk" / "elasticsearch"


def with_codec(objects: template.Objects, codec: str) -> template.Objects:
    """The templates of the stack, but for how stored fields are compressed."""
    changed: dict[str, Any] = json.loads(json.dumps(objects))
    changed["_component_template/cartscope-settings"]["template"]["settings"]["index.codec"] = codec
    return changed


async def shipped(server: ElasticsearchServer, run: Path, objects: template.Objects) -> Mapping[str, int]:
    """Ship all there is, and end."""
    stop = Stop()
    stop.set()
    with tempfile.TemporaryDirectory() as scratch:
        state, output = Path(scratch) / "positions.json", Path(scratch) / "output"
        return await ship(server.url, run / "logs", output, state, objects, print, stop)


def measure(run: Path, codec: str) -> None:
    """Ship into a fresh server and print what came of it."""
    server = ElasticsearchServer().start()
    try:
        node = psutil.Process(server.pid)
        began, spent, served = time.perf_counter(), time.process_time(), cpu(node)
        counts = asyncio.run(shipped(server, run, with_codec(template.load(TEMPLATES), codec)))
        seconds = time.perf_counter() - began
        spent, served = time.process_time() - spent, cpu(node) - served
        lines = counts["indexed"]
        events = server.count(template.LINES, {"term": {"event.action": "event.published"}})
        before = size(server)
        server.ask("POST", f"{template.LINES}/_forcemerge?max_num_segments=1")
        merged = size(server)
        print(
            f"{codec}: {lines} lines of {events} events in {seconds:.1f} s, {lines / seconds:.0f} lines/s "
            f"(processor: shipper {spent:.1f} s, Elasticsearch {served:.0f} s); {before / 1e6:.0f} MB, "
            f"merged {merged / 1e6:.0f} MB, {merged / lines:.0f} bytes a line, "
            f"{merged / events * 1e6 / 1e9:.2f} GB per million events; {dict(counts)}"
        )
    finally:
        server.stop()


def cpu(process: psutil.Process) -> float:
    """Processor seconds that a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system)


def size(server: ElasticsearchServer) -> int:
    """Bytes of the index on the disk."""
    server.ask("POST", f"{template.LINES}/_flush")
    stats = server.ask("GET", f"{template.LINES}/_stats/store")
    return int(stats["_all"]["primaries"]["store"]["size_in_bytes"])


if __name__ == "__main__":
    for name in ("best_compression", "default"):
        measure(Path(sys.argv[1]), name)
