"""Tells what `cartscope capacity` has measured and supposed, as a table or as JSON."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from cart_observability.capacity import TARGET_UTILISATION
from cart_platform.errors import UsageError
from cart_platform.live import duration
from cart_platform.planning import Plan, measure
from cart_platform.prometheus import DEFAULT_URL, Prometheus
from cart_platform.whereabouts import find, read_running

MOST_SLOTS = 100_000
MICROSECOND = 1e-6
UNKNOWN = "-"
INFINITE = "∞"
# Unless a terminal says otherwise: room for a dozen handlers side by side.
_WIDTH = 200


async def report(
    url: str | None, window: int, arrival_rate: float | None, slots: Sequence[str], *, as_json: bool
) -> None:
    """Print the capacity of every handler as measured, or with a load and slots that are supposed.

    Raises:
        CartscopeError: when Prometheus cannot be asked, or has nothing to tell.
        UsageError: for a what-if that cannot be.
    """
    supposed = parse_slots(slots)
    if arrival_rate is not None and not 0 <= arrival_rate < math.inf:
        raise UsageError(f"a load of {arrival_rate} events a second cannot be")
    async with Prometheus(url or running_prometheus()) as prometheus:
        measured = await measure(prometheus, window)
    plan = (measured if arrival_rate is None else measured.under(arrival_rate)).with_slots(supposed)
    if as_json:
        sys.stdout.write(json.dumps(_document(plan, measured, prometheus.place, window)) + "\n")
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for line in (_headline(plan, measured, prometheus.place, window), table(plan, is_measured=plan == measured)):
        console.print(line, highlight=False)


def running_prometheus() -> str:
    """The Prometheus of the latest run, if that runs and has one; else the usual address."""
    folder = find(None)
    running = read_running(folder) if folder else {}
    alive = "prometheus" in running.get("processes", {})
    return str(running["urls"]["prometheus"]) if alive else DEFAULT_URL


def parse_slots(words: Sequence[str]) -> dict[str, int]:
    """`4` for every handler (an empty name), `threshold=4` for one.

    Raises:
        UsageError: when a word is neither.
    """
    slots = {}
    for word in words:
        name, _, number = word.rpartition("=")
        if not number.isdecimal() or not 1 <= int(number) <= MOST_SLOTS:
            raise UsageError(f"cannot read the slots {word!r}: give 4 or threshold=4, 1 to {MOST_SLOTS}")
        slots[name] = int(number)
    return slots


def _headline(plan: Plan, measured: Plan, place: str, window: int) -> str:
    seen = f"λ {measured.arrival_rate:.1f} events/s accepted over the last {window} s, by {place}"
    if plan == measured:
        return seen
    return f"{seen}\nsupposed: λ {plan.arrival_rate:.1f} events/s, {_slots(plan)}; E[T_process] as measured"


def _slots(plan: Plan) -> str:
    return ", ".join(f"{name} {station.slots} slots" for name, station in plan.stations.items())


def _document(plan: Plan, measured: Plan, place: str, window: int) -> dict[str, object]:
    """JSON has no infinity: what never comes and what is not known are both null."""
    return {
        "prometheus": place,
        "window_seconds": window,
        "target_utilisation": TARGET_UTILISATION,
        "lambda": {"measured": measured.arrival_rate, "supposed": plan.arrival_rate},
        "handlers": {name: _finite(station.figures()) for name, station in plan.stations.items()},
    }


def _finite(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def table(plan: Plan, *, is_measured: bool) -> Table:
    """A column for each handler; Little's L only of what was measured."""
    shown = Table()
    shown.add_column("")
    for name in plan.stations:
        shown.add_column(name, justify="right")
    figures = [station.figures() for station in plan.stations.values()]
    for title, name, form in ROWS + (MEASURED_ROWS if is_measured else ()):
        shown.add_row(title, *(_cell(form, found[name]) for found in figures))
    return shown


def _cell(form: Callable[[float], str], value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return form(value) if math.isfinite(value) else INFINITE


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004  four digits are not rounded


def _time(seconds: float) -> str:
    if seconds >= 90:  # noqa: PLR2004  a person reads 90 s more easily than 1.5 min
        return f"{seconds / 60:,.1f} min"
    return duration(seconds) if seconds >= MICROSECOND else "0 s"


ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("λ, events/s", "arrival_rate", _number),
    ("E[T_process]", "processing_seconds", _time),
    ("c, slots", "slots", _number),
    ("ρ = λ · E[T_process] / c", "utilisation", _number),
    ("events/s at ρ = 1", "service_rate", _number),
    (f"headroom to ρ = {TARGET_UTILISATION}, events/s", "headroom", _number),
    (f"slots needed for ρ ≤ {TARGET_UTILISATION}", "slots_needed", _number),
    ("mean wait for a slot (M/M/c)", "waiting_seconds", _time),
    ("backlog, events", "backlog", _number),
    ("time to drain", "drain_seconds", _time),
    ("backlog in an hour", "backlog_in_an_hour", _number),
)
MEASURED_ROWS = (
    ("L measured, events", "events_measured", _number),
    ("L = λ · W, events", "events_computed", _number),
)
