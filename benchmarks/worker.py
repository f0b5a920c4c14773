"""How many messages a worker gets through, alone on a full queue, with everything on.

    python benchmarks/worker.py [--events N] [--handler NAME] [--servers STORE_URL BUS_URL]

Baseline, in the same run: the same broker's queue consumed and acked by the bus alone, with no handler, store, result,
span, metric or log line. Without URLs it starts a Redis and a RabbitMQ of its own. One trace in ten is sampled; spans
are exported where OTEL_EXPORTER_OTLP_ENDPOINT says.
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
os.environ.setdefault("OTEL_TRACES_SAMPLER_ARG", "0.1")

import msgspec
import uvloop

from cart_handlers.roles import choose, worker
from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry
from cart_platform.bootstrap import Parts, assemble
from cart_platform.bus import EVENTS_EXCHANGE, Publication
from cart_platform.cart import ItemAdded
from cart_platform.events import Event, encode, new_id, now
from cart_platform.lifetime import Stop
from cart_platform.settings import Settings
from support.servers import RabbitServer, RedisServer

BATCH = 1_000


async def fill(parts: Parts, messaging: Messaging, events: int) -> None:
    """Publish so many events, of as many carts, each with a trace of its own."""
    for start in range(0, events, BATCH):
        publications = []
        for number in range(start, min(start + BATCH, events)):
            with messaging.creating(ItemAdded.type, EVENTS_EXCHANGE) as creation:
                change = ItemAdded(f"cart-{number}", 1, "whole_milk", 1, 0, 1)
                event = Event(
                    new_id(),
                    "/benchmark",
                    change.type,
                    now(),
                    msgspec.to_builtins(change),
                    change.cart,
                    creation.headers.get("traceparent"),
                )
                publications.append(Publication(EVENTS_EXCHANGE, change.type, encode(event)))
        await parts.bus.publish(publications)


async def consume(parts: Parts, queue: str, events: int) -> float:
    """Receive and ack everything; gives the seconds."""
    subscription = await parts.bus.subscribe(queue, parts.settings.prefetch)
    started, received = time.perf_counter(), 0
    while received < events:
        deliveries = await subscription.receive(parts.settings.batch)
        await subscription.ack(deliveries)
        received += len(deliveries)
    seconds = time.perf_counter() - started
    await subscription.close()
    return seconds


async def work(parts: Parts, name: str, events: int) -> float:
    """Run the worker until everything is done; gives the seconds."""
    (handler,) = choose(parts.handlers, [name])
    labels = {"handler": name, "event_type": ItemAdded.type, "outcome": "done"}
    stop, started = Stop(), time.perf_counter()
    running = asyncio.create_task(worker(parts, handler, parts.telemetry).run(stop, 10))
    while (parts.telemetry.registry.get_sample_value("cartscope_events_handled_total", labels) or 0) < events:  # noqa: ASYNC110  the metric tells
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - started
    stop.set()
    await running
    return seconds


async def main(events: int, name: str, store_url: str, bus_url: str) -> None:
    """Measure and print."""
    telemetry = Telemetry.start("benchmark", log_folder=Path("/dev/shm/cartscope-benchmark"), stdout=False, port=0)
    parts = assemble(Settings(store_url=store_url, bus_url=bus_url), telemetry)
    await parts.start()
    messaging = parts.messaging()
    (handler,) = choose(parts.handlers, [name])
    await fill(parts, messaging, events)
    baseline = events / await consume(parts, handler.queue, events)
    await fill(parts, messaging, events)
    before = time.process_time()
    rate = events / await work(parts, name, events)
    busy = (time.process_time() - before) / events * 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"bus alone (receive, ack): {baseline:8.0f} messages/s")
    print(f"worker {name}: {rate:8.0f} messages/s, {busy:.0f} us of CPU each, {memory:.0f} MB at the peak")
    print(f"ratio: {rate / baseline:.2f}")
    await parts.close()
    telemetry.close()


def measure(events: int, name: str, servers: Sequence[str] | None) -> None:
    """Measure on the servers that are named, or on some of our own."""
    if servers:
        uvloop.run(main(events, name, *servers))
        return
    redis, rabbit = RedisServer().start(), RabbitServer().start()
    try:
        uvloop.run(main(events, name, redis.url, rabbit.url))
    finally:
        rabbit.stop()
        redis.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How many messages a worker gets through.")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--handler", default="threshold")
    parser.add_argument("--servers", nargs=2, metavar=("STORE_URL", "BUS_URL"))
    chosen = parser.parse_args()
    measure(chosen.events, chosen.handler, chosen.servers)
