"""A handler as a station that events pass: what comes to it, what it can take, and what follows from the two."""

from dataclasses import dataclass
from typing import Final

from cart_observability.capacity import Load, assess, forecast

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Station:
    """One handler, measured or supposed; None is what is not known.

    Attributes:
        arrival_rate: Events per second that come to it.
        processing_time: E[T_process] in seconds; None, and with it all that follows from it, when nothing came.
        slots: c, over all processes.
        backlog: Events in its queue.
        measured: Little's L as it was seen: the mean number of events in its queues, and its share of the outbox.
        computed: Little's L as lambda * W, with W the mean age at which events were finished.
    """

    arrival_rate: float
    processing_time: float | None
    slots: int
    backlog: float | None
    measured: float | None
    computed: float | None

    def figures(self) -> dict[str, float | None]:
        """What is known and what follows from it, by name; infinite times are infinite."""
        known: dict[str, float | None] = {
            "arrival_rate": self.arrival_rate,
            "processing_seconds": self.processing_time,
            "slots": self.slots,
            "backlog": self.backlog,
        }
        return known | self._following() | {"events_measured": self.measured, "events_computed": self.computed}

    def _following(self) -> dict[str, float | None]:
        names = ("utilisation", "service_rate", "headroom", "slots_needed", "waiting_seconds")
        if not self.processing_time:
            return dict.fromkeys((*names, "drain_seconds", "backlog_in_an_hour"))
        found = assess(Load(self.arrival_rate, self.processing_time, self.slots, self.backlog or 0))
        following: dict[str, float | None] = {name: getattr(found, name) for name in names}
        is_known, growth = self.backlog is not None, self.arrival_rate - found.service_rate
        following["drain_seconds"] = found.drain_seconds if is_known else None
        following["backlog_in_an_hour"] = forecast(self.backlog or 0, growth, HOUR) if is_known else None
        return following
