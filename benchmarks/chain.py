"""How many events a second get through the whole chain, and what each process pays for one.

    python benchmarks/chain.py demo|native FILE_OF_BASKETS

Baseline, in the same run: the same commands from the same shoppers to a FastAPI route that answers at once and does
nothing. CPU times are those of the processes themselves, from when the API is up, in microseconds an event.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import uvloop
from fastapi import FastAPI, Request, Response

from cart_observability.http_server import HttpServer
from cart_platform.shoppers import Replay, run_replay

CARTSCOPE = (sys.executable, "-m", "cart_platform")


def bare() -> FastAPI:
    """An API that does nothing."""
    app = FastAPI()

    @app.post("/carts/{cart}/items")
    async def add(cart: str, request: Request) -> Response:
        await request.json()
        return Response(json.dumps({"cart": cart, "status": "accepted"}), 202, media_type="application/json")

    return app


async def serve_bare(port_file: Path) -> None:
    """Serve it until killed."""
    server = HttpServer(bare(), "127.0.0.1", 0)
    await server.start()
    await asyncio.to_thread(port_file.write_text, server.url)
    await server.ended()


def baseline(file: Path, folder: Path) -> float:
    """Commands per second that the shoppers get through with an API that does nothing."""
    url = folder / "url"
    server = subprocess.Popen([sys.executable, __file__, "--bare", str(url)])
    while not url.exists():
        time.sleep(0.05)
    summary = uvloop.run(run_replay(Replay(url.read_text(), file)))
    server.kill()
    server.wait()
    return summary.rate


class Costs:
    """CPU seconds and peak memory of processes by name."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.memory: dict[str, int] = {}

    def read(self, processes: dict[str, int]) -> None:
        """Take the times of what runs at this moment."""
        for name, pid in processes.items():
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
                self.first.setdefault(name, times.user + times.system)
                self.last[name] = times.user + times.system
                self.memory[name] = max(self.memory.get(name, 0), process.memory_info().rss)
            except psutil.Error:
                continue

    def show(self, events: int) -> None:
        """Print a row for each process."""
        for name, seconds in self.last.items():
            spent = (seconds - self.first[name]) / events * 1e6
            print(f"  {name:22} {spent:6.0f} us an event {self.memory[name] / 2**20:6.0f} MB")


def chain(way: str, file: Path, folder: Path) -> tuple[dict[str, Any], Costs]:
    """Replay the file through a demo or native run; gives its summary and what it cost."""
    command = [*CARTSCOPE, way, "--replay", str(file), "--json", "--data-dir", str(folder / way)]
    costs = Costs()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            costs.read(processes(folder / way / "running.json", way, run.pid))
            time.sleep(0.2)
        assert run.stdout is not None
        return json.load(run.stdout), costs


def processes(running: Path, way: str, pid: int) -> dict[str, int]:
    """What to measure, once the API is up."""
    try:
        found: dict[str, int] = json.loads(running.read_text())["processes"]
    except (OSError, ValueError):
        return {}
    if "api" not in found:
        return {}
    return {"everything": pid} if way == "demo" else {**found, "shoppers": pid}


def main() -> None:
    """Measure and print."""
    if sys.argv[1] == "--bare":
        asyncio.run(serve_bare(Path(sys.argv[2])))
        return
    way, file = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        bare_rate = baseline(file, Path(folder))
        summary, costs = chain(way, file, Path(folder))
    rate = summary["rates"]["throughput"]
    print(f"API that does nothing: {bare_rate:8.0f} commands/s")
    print(f"{way}, whole chain: {rate:8.0f} events/s")
    print(f"ratio: {rate / bare_rate:.2f}")
    costs.show(summary["events"]["published"])


if __name__ == "__main__":
    main()
