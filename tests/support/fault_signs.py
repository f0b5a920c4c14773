"""By what each fault of the catalogue is seen on each page that its card leads to."""

import re
from collections.abc import Awaitable, Callable, Mapping

from cart_platform.faults.catalogue import (
    BURST,
    DOUBLED_DELIVERIES,
    FAILING_HANDLER,
    MAIL_DOWN,
    PAUSED_RELAY,
    POISON_MESSAGE,
    SLOW_HANDLER,
    STOPPED_HANDLER,
)
from support.console_page import Visitor, number
from support.watched_demo import RATE

Sign = Callable[[Visitor], Awaitable[bool]]

MANY = 15
"""So many events do not wait by chance."""

HANDLERS = {
    SLOW_HANDLER: "threshold",
    FAILING_HANDLER: "notification",
    POISON_MESSAGE: "popularity",
    STOPPED_HANDLER: "threshold",
}
"""Whom a fault is switched on for, where that can be chosen."""


def chart(series: str, least: float) -> Sign:
    """The chart's latest value of a series is that high."""

    async def is_seen(visitor: Visitor) -> bool:
        return (await visitor.latest()).get(series, 0.0) >= least

    return is_seen


def line(pattern: str) -> Sign:
    """One of the lines that are shown, the newest, is of that kind."""

    async def is_seen(visitor: Visitor) -> bool:
        return any(re.search(pattern, shown) for shown in await visitor.shown_lines())

    return is_seen


async def stands_still(visitor: Visitor) -> bool:
    """No line came for three seconds."""
    newest = await visitor.text(".logs-line time")
    now = await visitor.page.evaluate("new Date().toTimeString().slice(0, 8)")
    return newest != "" and _seconds(now) - _seconds(newest[:8]) > 3


def _seconds(clock: str) -> int:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


def without(text: str) -> Sign:
    """The newest lines, a dozen of them, do without a text."""

    async def is_seen(visitor: Visitor) -> bool:
        newest = (await visitor.shown_lines())[:12]
        return bool(newest) and not any(text in shown for shown in newest)

    return is_seen


async def failed_e_mails(visitor: Visitor) -> bool:
    """The map tells of failures at the handler that sends e-mails."""
    return (await visitor.text('.way-node[data-id="handler:notification"] .way-errors')).strip().startswith("✕")


def held_up(node: str) -> Sign:
    """Many wait in a node of the map, and the sentence above it says who waits."""

    async def is_seen(visitor: Visitor) -> bool:
        says = await visitor.text(".way-sentence")
        return await visitor.waiting(node) >= MANY and "keep up" not in says and len(says.split(".")) > 2

    return is_seen


async def busy(visitor: Visitor) -> bool:
    """Capacity tells that many wait for the handler."""
    words = await visitor.texts(".capacity-words")
    waiting = [number(found[0]) for text in words if (found := re.search(r"[\d,]+(?= events wait)", text))]
    return any(count >= MANY for count in waiting)


async def arrivals(visitor: Visitor) -> bool:
    """Capacity tells of more arrivals than the load's own."""
    found = re.search(r"([\d.]+) /s come in", await visitor.text("main"))
    return found is not None and float(found[1]) >= 1.3 * float(RATE)


def letter(handler: str, reason: str) -> Sign:
    """A dead letter of that handler is listed with its reason."""

    async def is_seen(visitor: Visitor) -> bool:
        rows = await visitor.texts(".dead-letters-row")
        return any(handler in row and reason in row for row in rows)

    return is_seen


SIGNS: Mapping[str, Mapping[str, Sign]] = {
    MAIL_DOWN: {
        "Failures": chart("notification retried", 0.1),
        "Retries in the log": line(r"handler=notification"),
        "The map": failed_e_mails,
    },
    SLOW_HANDLER: {
        "Time an event takes": chart("threshold", 0.5),
        "Backlog": chart("cart.threshold", MANY),
        "Slow events in the log": line(r"handler=threshold"),
        "Capacity": busy,
    },
    FAILING_HANDLER: {
        "Failures": chart("notification retried", 0.1),
        "Failures in the log": line(r"handler=notification"),
        "Dead letters": letter("notification", "attempts_exhausted"),
    },
    POISON_MESSAGE: {
        "Dead letters": letter("popularity", "not_json"),
        "Messages given up in the log": line(r"handler=popularity"),
    },
    DOUBLED_DELIVERIES: {
        "Duplicates": chart("threshold", 5),
        "Duplicates in the log": line(r"outcome=duplicate"),
    },
    PAUSED_RELAY: {
        "Backlog": chart("outbox", MANY),
        "Age of the oldest event": chart("oldest", 3),
        "Publishing in the log": stands_still,
        "The map": held_up("store:sqlite"),
    },
    STOPPED_HANDLER: {
        "Backlog": chart("cart.threshold", MANY),
        "Handled events in the log": without("handler=threshold"),
        "The map": held_up("queue:cart.threshold"),
    },
    BURST: {
        "Arrival rate": chart("λ", 60),
        # A machine that is quick enough keeps up.
        "Backlog": chart("cart.threshold", 1),
        "Capacity": arrivals,
    },
}
