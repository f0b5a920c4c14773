"""What telemetry costs a worker: microseconds a message for spans, metrics and one log line, against none.

    .venv/bin/python benchmarks/telemetry.py [--messages 50000] [--batch 100]

Messages come in batches, each with the trace context of an upstream create span. The log goes to a file, spans go
through the real queue and encoder to a collector that answers at once. CPU time of all threads, the writer's and the
exporter's included; best of five rounds: the machine is shared.
"""

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from rich.console import Console
from rich.table import Table

from cart_observability.messaging import Messaging
from cart_observability.span_export import SpanQueue
from cart_observability.telemetry import Telemetry, silent

ROUNDS = 5
CASES = (
    ("not sampled", 0.0, True),
    ("10 % sampled", 0.1, True),
    ("all sampled", 1.0, True),
    ("all sampled, no collector", 1.0, False),
)
Headers = dict[str, str]


class Taken(SpanExporter):
    """A collector that answers at once: spans are encoded as for a real one, and not sent."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encodes the spans."""
        encode_spans(spans).SerializePartialToString()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to give back."""


def message(sampled: float) -> Headers:
    """Headers as a relay sends them, sampled with this probability."""
    flags = "01" if random.random() < sampled else "00"
    return {"traceparent": f"00-{random.getrandbits(128):032x}-{random.getrandbits(64) or 1:016x}-{flags}"}


def batches(headers: list[Headers], size: int) -> Iterator[list[Headers]]:
    """The messages as they arrive."""
    for start in range(0, len(headers), size):
        yield headers[start : start + size]


def handle(number: int) -> int:
    """Stands for the work itself."""
    return number + 1


def plain(headers: list[Headers], size: int) -> None:
    """No telemetry at all."""
    for batch in batches(headers, size):
        for number, _ in enumerate(batch):
            handle(number)


def observed(telemetry: Telemetry) -> Callable[[list[Headers], int], None]:
    """Everything that a worker does for each message: spans, metrics, log context, one line."""
    messaging = Messaging(telemetry, server_address="127.0.0.1", server_port=5672)
    log = telemetry.log

    def run(headers: list[Headers], size: int) -> None:
        for batch in batches(headers, size):
            with messaging.receiving("threshold", batch):
                works = []
                for number, carried in enumerate(batch):
                    work = messaging.processing(
                        "threshold", "threshold", "cart.item_added", carried, "id", 1, "cart.events"
                    )
                    work.event("0193-event", "cart.item_added", "/carts", "cart-1")
                    with work.active():
                        handle(number)
                    works.append(work)
                now = time.time_ns()
                for work in works:
                    work.committed(now, now, len(works), works)
                    work.settled("ack", now, now)
                    work.end("done", "cart.item_added", 0.0001, 0.01)
                    log.info(
                        "event handled",
                        **work.log_fields,
                        **{"event.action": "event.handled", "cartscope.outcome": "done", "event.duration": 100_000},
                    )

    return run


def microseconds(run: Callable[[list[Headers], int], None], headers: list[Headers], size: int) -> float:
    """The best round, a message."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        started = time.process_time()
        run(headers, size)
        best = min(best, time.process_time() - started)
    return best / len(headers) * 1e6


def measure(messages: int, size: int) -> Table:
    """Runs every case."""
    table = Table("case", "µs a message", title=f"{messages:,} messages in batches of {size}")
    table.add_row("no telemetry", f"{microseconds(plain, [message(0)] * messages, size):.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for name, sampled, recording in CASES:
            counted = silent()
            spans = SpanQueue(Taken(), counted.metrics, counted.log) if recording else None
            telemetry = Telemetry.start("benchmark", log_folder=Path(folder), stdout=False, spans=spans)
            headers = [message(sampled) for _ in range(messages)]
            table.add_row(name, f"{microseconds(observed(telemetry), headers, size):.1f}")
            telemetry.close()
    return table


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=100)
    given = parser.parse_args()
    Console().print(measure(given.messages, given.batch))


if __name__ == "__main__":
    main()
