"""One step of an event's way, and in which order steps are told."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cart_observability.console.events.sightings import FAILED

KINDS: Final = (
    "request",
    "create",
    "publish",
    "attempt",
    "commit",
    "result",
    "sent",
    "retried",
    "dead_lettered",
    "log",
)
"""In the order in which they stand when their times are the same."""

CAUSES: Final = ("request", "create", "publish", "attempt")
"""The first of each is the cause of the first of the next."""


class Step(NamedTuple):
    """One step; times in ns. `waited` is how long nothing was done about the event before it.

    `told` is the kind with the span that lines about this step name, by which the two are known to be the same.
    """

    time: int
    kind: str
    title: str
    service: str
    duration: int | None = None
    waited: int | None = None
    handler: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    error: str | None = None
    span_id: str | None = None
    told: tuple[str, str | None] = ("", None)

    @property
    def end(self) -> int:
        """When it was over."""
        return self.time + (self.duration or 0)


def in_order(found: Iterable[Step]) -> list[Step]:
    """Steps by time. Where a clock is behind another, or a line of what was done is late, a cause is put before."""
    ordered = sorted(found, key=lambda step: (step.time, KINDS.index(step.kind)))
    effect: Step | None = None
    for kind in reversed(CAUSES):
        cause = next((step for step in ordered if step.kind == kind), effect)
        if cause is not None and effect is not None and ordered.index(cause) > ordered.index(effect):
            ordered.remove(cause)
            ordered.insert(ordered.index(effect), cause)
        effect = cause
    return ordered


def waiting(ordered: Iterable[Step]) -> Iterator[Step]:
    """Say how long the event lay in an outbox or a queue before it was published or taken up."""
    released: dict[str | None, int] = {}
    for step in ordered:
        since = max((released[who] for who in (None, step.handler) if who in released), default=None)
        waits = step.kind in {"publish", "attempt"} and since is not None
        yield step._replace(waited=max(0, step.time - since)) if waits and since is not None else step
        if step.kind in {"create", "publish"}:
            released[None] = step.end
        elif step.kind in {"retried", "dead_lettered"} or step.outcome == FAILED:
            released[step.handler] = step.end
