"""What the console pays for spans: microseconds of CPU for each, from the body that comes to the row that is committed.

    .venv/bin/python benchmarks/console_spans.py [--events 20000] [--batch 512]

The bodies are what the processes of a chain send, each its own: eleven spans an event. They are encoded beforehand; the
file is on disk. Then the times of questions to what was recorded, in milliseconds, best of five.
"""

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from rich.console import Console
from rich.table import Table

from cart_observability.console.events import events
from cart_observability.console.events.event_search import Filters
from cart_observability.console.file import SignalFile
from cart_observability.console.traces import otlp, spans
from cart_observability.messaging import Messaging, Outgoing
from cart_observability.telemetry import silent
from cart_observability.tracing import tracer_for

HANDLERS = ("threshold", "popularity")
TOGETHER = 10
"""Events that a process has in hand at a time."""
ROUNDS = 5


class Kept(SpanExporter):
    """Spans that wait to be sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keeps them."""
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to give back."""


class Process:
    """A process of the chain, and what it has to send."""

    def __init__(self, service: str) -> None:
        self.kept = Kept()
        processor = SimpleSpanProcessor(self.kept)
        telemetry = silent(processor)
        telemetry.tracer = tracer_for(service, processor)
        self.tracer = telemetry.tracer
        self.messaging = Messaging(telemetry, server_address="127.0.0.1", server_port=5672)


class Made(NamedTuple):
    """An event on its way."""

    id: str
    headers: dict[str, str]


class Chain:
    """The processes of a chain."""

    def __init__(self) -> None:
        self.api = Process("cartscope-api")
        self.relay = Process("cartscope-relay")
        self.workers = {handler: Process(f"cartscope-worker-{handler}") for handler in HANDLERS}
        self.number = 0

    @property
    def processes(self) -> list[Process]:
        """All of them."""
        return [self.api, self.relay, *self.workers.values()]

    def some_events(self) -> None:
        """Let some events happen."""
        made = [self._accepted() for _ in range(TOGETHER)]
        sent = [Outgoing("cart.item_added", event.headers, event.id, "cart.item_added") for event in made]
        publishing = self.relay.messaging.publishing_batch("cart.events", sent)
        publishing.done(["confirmed"] * len(sent))
        for handler, worker in self.workers.items():
            self._handled(handler, worker.messaging, made)

    def _accepted(self) -> Made:
        self.number += 1
        event_id = f"01890000-0000-7000-8000-{self.number:012d}"
        attributes = {"http.request.method": "POST", "http.route": "/carts/{cart}/items", "url.path": "/carts/c1/items"}
        tracer = self.api.tracer
        with (
            tracer.start_as_current_span("POST /carts/{cart}/items", kind=SpanKind.SERVER, attributes=attributes),
            self.api.messaging.creating("cart.item_added", "cart.events") as creation,
        ):
            creation.event(event_id, "cart.item_added", "/carts", f"cart-{self.number % 500}")
        return Made(event_id, creation.headers)

    def _handled(self, handler: str, messaging: Messaging, made: Sequence[Made]) -> None:
        queue = f"cart.{handler}"
        with messaging.receiving(queue, [event.headers for event in made]):
            work = [
                messaging.processing(handler, queue, "cart.item_added", event.headers, event.id, 1, "cart.events")
                for event in made
            ]
        now = time.time_ns()
        for event, processing in zip(made, work, strict=True):
            processing.event(event.id, "cart.item_added", "/carts", f"cart-{self.number % 500}")
            processing.committed(now, now, len(work), work)
        results = [
            Outgoing(f"{handler}.done", processing.headers, f"{event.id}:{handler}")
            for event, processing in zip(made, work, strict=True)
        ]
        messaging.publishing_batch("cart.results", results).done(["confirmed"] * len(results))
        for processing in work:
            processing.settled("ack", now, now)
            processing.end("done", "cart.item_added", 0.001)


def bodies(count: int, batch: int) -> Iterator[tuple[bytes, int]]:
    """What the processes of a chain send, in the order in which it comes, and how many spans it is."""
    chain = Chain()
    while chain.number < count:
        chain.some_events()
        for process in chain.processes:
            if len(process.kept.spans) >= batch or chain.number >= count:
                sent, process.kept.spans[:] = process.kept.spans[:], []
                yield gzip.compress(encode_spans(sent).SerializeToString(), 1), len(sent)


class Costs:
    """CPU seconds, and of how many spans."""

    def __init__(self) -> None:
        self.decoding = self.recording = 0.0
        self.spans = 0

    def take(self, file: SignalFile, body: bytes) -> None:
        """Take one body in, as the console does."""
        started = time.thread_time()
        received = otlp.decode(body, otlp.PROTOBUF, "gzip")
        self.decoding += time.thread_time() - started
        # The writer's thread is another one: of both, this one only waits.
        started = time.process_time()
        recorded = file.submit(lambda connection: spans.record(connection, received.spans)).result()
        self.recording += time.process_time() - started
        assert recorded == len(received.spans)
        self.spans += recorded


def questions(file: SignalFile) -> Iterator[tuple[str, float]]:
    """How long questions take, in milliseconds."""
    with file.reading() as connection:
        some = events.find(connection, limit=1000)["events"][-1]
        second = 1_000_000_000
        asked: dict[str, Callable[[], object]] = {
            "newest events": lambda: events.find(connection),
            "events of a subject": lambda: events.find(connection, Filters(subject=some["subject"])),
            "events of a handler": lambda: events.find(connection, Filters(handler="popularity")),
            "events given up (none)": lambda: events.find(connection, Filters(outcome="dead_lettered")),
            "events of a type that is not": lambda: events.find(connection, Filters(type="nothing")),
            "events within a time (the first ones)": lambda: events.find(connection, end=_first(some) + second),
            "one event": lambda: events.get(connection, some["id"]),
            "its follow-ups": lambda: events.follow_ups(connection, some["id"]),
            "its trace": lambda: spans.trace(connection, some["trace_id"]),
            "newest traces": lambda: spans.traces(connection),
            "failed traces (none)": lambda: spans.traces(connection, errors=True),
            "traces that lasted a day (none)": lambda: spans.traces(connection, shortest=86_400 * second),
            "traces of a service that is not": lambda: spans.traces(connection, service="nobody"),
            "a span that is not": lambda: spans.find_span(connection, "00" * 8),
            "the map": lambda: [*spans.edges(connection), *spans.points(connection)],
        }
        for name, question in asked.items():
            yield name, min(_milliseconds(question) for _ in range(ROUNDS))


def _first(event: dict[str, float]) -> int:
    return int(event["time"] * 1e6)


def _milliseconds(question: Callable[[], object]) -> float:
    started = time.perf_counter()
    question()
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Record and ask, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=512)
    arguments = parser.parse_args()
    console, costs = Console(), Costs()
    with tempfile.TemporaryDirectory() as folder:
        file = SignalFile(Path(folder) / "signals.db", [events.SCHEMA, spans.SCHEMA])
        for body, _ in bodies(arguments.events, arguments.batch):
            costs.take(file, body)
        answers = list(questions(file))
        started = time.process_time()
        pruned = file.submit(lambda connection: spans.prune(connection, 10_000)).result()
        pruning = time.process_time() - started
        file.close()
        size = file.size
    table = Table("a span", "", title=f"{costs.spans:,} spans of {arguments.events:,} events")
    table.add_row("decoded", f"{costs.decoding / costs.spans * 1e6:.1f} us")
    table.add_row("recorded", f"{costs.recording / costs.spans * 1e6:.1f} us")
    table.add_row("forgotten", f"{pruning / pruned * 1e6:.1f} us")
    table.add_row("of a core at 10,000/s", f"{(costs.decoding + costs.recording) / costs.spans * 1e4:.0%}")
    table.add_row("kept in", f"{size / costs.spans:.0f} bytes, with what it tells of events")
    console.print(table)
    table = Table("question", "ms")
    for name, milliseconds in answers:
        table.add_row(name, f"{milliseconds:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
