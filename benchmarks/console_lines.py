"""Log lines in the console: what one costs to take in and to keep, and how long a search of many takes.

    .venv/bin/python benchmarks/console_lines.py [--lines 1000000]

Writes the log files of a chain that handles 1,000 events/s (4 lines each), has the console follow them into a file of
its own, and then asks what the page asks. Times of questions are those of the processor, the best of three; counts are
asked for until they are all, as the page does, the longest answer of these beside it, and then once more.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cart_observability.console.events import events
from cart_observability.console.file import SignalFile
from cart_observability.console.logs import line_counts, lines, tailing
from cart_observability.console.logs.counted import Counted
from cart_observability.console.logs.moments import FIRST, LAST, of
from cart_observability.console.logs.query import read
from cart_observability.console.logs.tailing import Tail

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENTS_PER_SECOND = 1_000
ROLES = ("api", "relay", "worker-threshold", "worker-popularity")
ROUNDS = 3


def chain(count: int, chance: random.Random, start: datetime = START) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of a chain that begins at a time, each with the role that writes it."""

    def hexadecimal(digits: int) -> str:
        return f"{chance.getrandbits(4 * digits):0{digits}x}"

    for number in range(count // len(ROLES)):
        at = start + timedelta(seconds=number / EVENTS_PER_SECOND)
        known = {
            "trace.id": hexadecimal(32),
            "span.id": hexadecimal(16),
            "cartscope.event.id": f"01a2153f-{number >> 12 & 0xFFFF:04x}-7{hexadecimal(3)}-8000-{hexadecimal(12)}",
            "cartscope.event.type": chance.choice(("cart.item_added",) * 8 + ("cart.item_removed", "cart.checked_out")),
            "cartscope.cart.id": f"cart-{chance.randrange(2_000)}",
        }
        for place, role in enumerate(ROLES):
            yield role, _line(at + timedelta(milliseconds=place), role, known, chance)


def _line(at: datetime, role: str, known: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    service = f"cartscope-{role}"
    line = {"@timestamp": at, "log.level": "info", "message": "event accepted", "ecs.version": "9.2.0"}
    line |= {
        "service.name": service,
        "event.dataset": service,
        "log.logger": service,
        "process.pid": 16_275 + len(role),
    }
    line |= known | {"event.action": "event.accepted"}
    if role == "relay":
        line |= {"event.action": "event.published", "message": "event published", "cartscope.outcome": "confirmed"}
    elif role != "api":
        line |= {"event.action": "event.handled", "message": "event handled", "cartscope.outcome": "done"}
        line |= {"cartscope.handler": role.removeprefix("worker-"), "cartscope.attempt": 1}
        line["event.duration"] = int(chance.lognormvariate(12, 1))
        if chance.random() < 1 / 500:
            line |= {"log.level": "warning", "event.action": "event.retried", "cartscope.outcome": "retried"}
            line |= {"error.type": "TimeoutError", "error.message": "the mail server did not answer in 5 s"}
    return line


def taken_in(folder: Path, count: int) -> SignalFile:
    """A console's file with so many lines, and what that took."""
    logs = folder / "logs"
    logs.mkdir()
    with ExitStack() as opened:
        files = {role: opened.enter_context((logs / f"{role}.log").open("wb")) for role in ROLES}
        for role, line in chain(count, random.Random(5)):
            files[role].write(msgspec.json.encode(line) + b"\n")
    file = SignalFile(folder / "signals.db", [lines.SCHEMA, events.SCHEMA, tailing.SCHEMA])
    tail = Tail(file, logs)
    began, spent = time.perf_counter(), time.process_time()
    while tail.turn():
        pass
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    cost = spent / tail.received * 1e6
    print(f"{tail.received:,} lines: {tail.received / seconds:,.0f} lines/s, {cost:.1f} µs of one core a line")
    with file.reading() as connection:
        for name, room in connection.execute(
            "SELECT CASE WHEN name LIKE '%line%' THEN 'lines' ELSE 'events, positions' END, sum(pgsize)"
            " FROM dbstat GROUP BY 1"
        ):
            print(f"  {name}: {room / tail.received:.0f} bytes a line")
    return file


def questions(file: SignalFile) -> Iterator[str]:
    """What is asked for."""
    with file.reading() as connection:
        newest = lines.newest(connection)
        (line,) = lines.search(connection, read("event.action:event.handled"), FIRST, LAST, newest // 3, limit=1)[
            "lines"
        ]
    event, trace = line["fields"]["cartscope.event.id"], line["fields"]["trace.id"]
    yield from ("", f"cartscope.event.id:{event}", event, f"trace.id:{trace}", f"trace.id:{trace[:4]}*")
    yield from ("log.level:warning", "log.level:info", "cartscope.handler:threshold", "cartscope.cart.id:cart-77")
    yield from ("-log.level:info", "TimeoutError", '"did not answer"', "event.duration>=2000000", "cartscope.attempt>1")
    yield from ("cartscope.handler:threshold -cartscope.event.type:cart.item_added", "(retried OR handled) threshold")


def best(
    ask: Callable[..., dict[str, Any]], *about: Any, rounds: int = ROUNDS, **options: Any
) -> tuple[float, dict[str, Any]]:
    """The least time that an answer took, in ms, and the answer."""
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        answer = ask(*about, **options)
        times.append((time.thread_time() - began) * 1e3)
    return min(times), answer


def counted_until_all(*about: Any) -> tuple[float, float, float, int]:
    """How long all answers took until one was of all, the longest of them, and the same question again; how many lines.

    Times in ms.
    """
    counts: dict[str, Any] = {"complete": False}
    times = []
    known = Counted()
    while not counts["complete"]:
        took, counts = best(line_counts.count, *about, counted=known, rounds=1)
        times.append(took)
    again, _ = best(line_counts.count, *about, counted=known)
    return sum(times), max(times), again, sum(map(sum, counts["levels"].values()))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    count = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        file = taken_in(Path(folder), count)
        start, end = of(START), of(START) + count * 1_000_000_000 // len(ROLES) // EVENTS_PER_SECOND
        print(f"{'search':>8} {'fields':>8} {'counts':>8} {'at most':>8} {'again':>8} ms")
        for text in questions(file):
            condition = read(text)
            with file.reading() as connection:
                about = (connection, condition, start, end)
                (search, _), (fields, _) = (best(ask, *about) for ask in (lines.search, lines.fields))
                all_, longest, again, counted = counted_until_all(*about)
            print(
                f"{search:8.1f} {fields:8.1f} {all_:8.1f} {longest:8.1f} {again:8.1f}   {counted:>9,} {text or 'all'}"
            )
        file.close()


if __name__ == "__main__":
    main()
