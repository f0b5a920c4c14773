"""Runs a load for a person: progress on standard error, an interruption that still ends with a summary."""

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any, Self

from rich.console import Console
from rich.status import Status

from cart_platform.errors import CartscopeError
from cart_platform.lifetime import Stop
from cart_platform.shoppers import Load, Progress, Replay, Summary, run_load, run_replay

LINE_SECONDS = 5.0


class Interrupted(CartscopeError):  # noqa: N818  what the user did
    """A run was interrupted before it had begun."""

    exit_code = 130


class ProgressLine:
    """The progress of a run: one line that changes in a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = Status("starting", console=console) if console.is_terminal else None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._status:
            self._status.update(describe(progress))
        elif time.monotonic() >= self._shown + LINE_SECONDS:
            self._shown = time.monotonic()
            sys.stderr.write(describe(progress) + "\n")


def describe(progress: Progress) -> str:
    """A run on its way, in one line."""
    total = "" if progress.total is None else f" of {progress.total}"
    text = (
        f"{progress.elapsed_seconds:.0f} s: {progress.sent}{total} commands sent, {progress.accepted} accepted, "
        f"{sum(progress.rejected.values())} refused, {progress.retried} retried, {progress.failed} failed"
    )
    return text + (f", {progress.late_seconds:.1f} s late" if progress.late_seconds > 1 else "")


def describe_summary(summary: Summary) -> str:
    """A finished run in a few lines."""
    rejected = sum(summary.rejected.values())
    lines = [
        f"{summary.accepted} commands accepted, {rejected} refused, {summary.failed} failed, {summary.unsent} not sent",
        f"in {summary.duration_seconds:.1f} s: {summary.rate:.1f}/s, {summary.retried} retried",
        *(f"  refused: {reason} {count}" for reason, count in sorted(summary.rejected.items())),
        *(f"  trouble: {kind} {count}" for kind, count in sorted(summary.troubles.items())),
        "latency from the intended start: "
        + ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in summary.latency_seconds.items()),
    ]
    return "\n".join(lines)


async def run(load: Load | Replay, stop: Stop) -> Summary:
    """Run a load to its end, or until stopped; raises CartscopeError as `run_load` and `run_replay` do."""
    with ProgressLine() as line:
        work: Coroutine[Any, Any, Summary]
        work = run_load(load, line.show) if isinstance(load, Load) else run_replay(load, line.show)
        return await until_stopped(work, stop)


async def until_stopped(work: Coroutine[Any, Any, Summary], stop: Stop) -> Summary:
    """The summary of a run that is cut short by the stop."""
    running = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
    if stop.wished:
        running.cancel()
    stopped.cancel()
    try:
        return await running
    except asyncio.CancelledError:
        raise Interrupted("interrupted before the first command was sent") from None
