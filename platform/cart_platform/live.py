"""Shows a running chain in the terminal: a table that changes, or a line every few seconds without a terminal."""

import math
from collections.abc import Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cart_platform.observer import HandlerView, View

LINE_SECONDS = 5.0
TABLE_SECONDS = 2.0


class Screen:
    """Where a run is shown; standard error, so that `--json` has standard output to itself."""

    def __init__(self, *, title: str, addresses: Sequence[tuple[str, str]]) -> None:
        self._console = Console(stderr=True)
        self._title = title
        self._addresses = addresses
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self.seconds = TABLE_SECONDS if self._live else LINE_SECONDS

    def __enter__(self) -> Self:
        for what, where in self._addresses:
            self._console.print(f"{what:<13} {where}", highlight=False, soft_wrap=True)
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """Say something once, above the table."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def show(self, view: View) -> None:
        """Show the chain as it is at this moment."""
        if self._live:
            self._live.update(Group(Text(headline(view)), table(view, self._title)), refresh=True)
        else:
            self._console.print(headline(view), highlight=False, soft_wrap=True)


def headline(view: View) -> str:
    """The whole chain in one line."""
    dead = sum(handler.dead_lettered for handler in view.handlers.values())
    return (
        f"{view.elapsed:6.0f} s   λ {view.arrival_rate:.1f}/s   throughput {view.throughput:.1f}/s   "
        f"accepted {view.accepted}   published {view.sent}   pending {view.depth.pending}   "
        f"notifications {view.notifications}   dead letters {dead}"
    )


def table(view: View, title: str) -> Table:
    """A row for each handler."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("handler")
    for column in ("events/s", "T p50", "T p99", "age p99", "backlog", "done", "duplicates", "retried", "dead letters"):
        shown.add_column(column, justify="right")
    for name, handler in view.handlers.items():
        shown.add_row(
            name,
            f"{handler.rate:.1f}",
            duration(handler.p50),
            duration(handler.p99),
            duration(handler.age_p99),
            *(str(n) for n in (handler.waiting, handler.done, handler.duplicates, handler.retried)),
            str(handler.dead_lettered),
        )
    return shown


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them; a dash for NaN."""
    if math.isnan(seconds):
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def summary(view: View, seconds: float) -> str:
    """What a run of so many seconds came to, in a few lines for a person."""
    return f"after {seconds:.1f} s:\n{describe(view)}"


def describe(view: View) -> str:
    """The chain in a few lines for a person."""
    lines = [
        f"{view.accepted} commands accepted, {sum(view.rejected.values())} refused",
        *(f"  refused: {reason} {count}" for reason, count in sorted(view.rejected.items())),
        f"{view.sent} events published, {view.depth.pending} pending",
        f"λ {view.arrival_rate:.1f}/s, throughput {view.throughput:.1f}/s",
        *(describe_handler(name, handler) for name, handler in view.handlers.items()),
        f"{view.notifications} notifications sent",
    ]
    if view.popular:
        lines.append("most popular: " + ", ".join(f"{product} {units}" for product, units in view.popular[:5]))
    return "\n".join(lines)


def describe_handler(name: str, handler: HandlerView) -> str:
    """One handler in a line."""
    return (
        f"{name}: {handler.done} done, T_process p50 {duration(handler.p50)} p99 {duration(handler.p99)}, "
        f"{handler.duplicates} duplicates, {handler.retried} retried, {handler.dead_lettered} dead-lettered"
    )
