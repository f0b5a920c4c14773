"""One attempt at handling one delivery, from its decoding to what is to become of it."""

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cart_observability.processing import Processing
from cart_platform.bus import Delivery, Failure
from cart_platform.events import Event, Malformed, decode, now
from cart_platform.handler import DEAD_LETTERED, Handler, Reject, Result, UnitOfWork

TRACEBACK_CHARACTERS = 2_000
UNREADABLE = "unreadable"
"""Stands for the event type of a message that is no event."""


class Verdict(StrEnum):
    """What becomes of a delivery; the values are the outcomes in metrics and logs."""

    DONE = "done"
    DUPLICATE = "duplicate"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"


@dataclass(slots=True, eq=False)
class Attempt:
    """A delivery on its way through the worker.

    `verdict` is None while the event can still be done. `delay` is in seconds, `seconds` the time that this event alone
    took, `age` how old it was when its effect was committed. `failure` is None for a retry that is nobody's fault.
    """

    delivery: Delivery
    processing: Processing
    event: Event | None = None
    unit: UnitOfWork | None = None
    verdict: Verdict | None = None
    result: Result | None = None
    failure: Failure | None = None
    reason: str = ""
    delay: float = 0.0
    seconds: float = 0.0
    age: float | None = None
    claimant: str | None = None

    @property
    def event_type(self) -> str:
        """The type of the event, `UNREADABLE` for a message that is none."""
        return self.event.type if self.event else UNREADABLE

    def read(self, handler: Handler) -> None:
        """Decode the event; what is none, or none that the handler reacts to, is a dead letter at once."""
        try:
            self.event = decode(self.delivery.message)
        except Malformed as error:
            self.give_up(error.reason, error)
            return
        self.processing.event(self.event.id, self.event.type, self.event.source, self.event.subject)
        if self.event.type not in handler.reacts_to:
            self.give_up(
                "not_reacted_to", Reject("not_reacted_to", f"{handler.name} does not react to {self.event.type}")
            )

    def done(self, result: Result) -> None:
        """The effect is committed, at this moment."""
        assert self.event is not None
        self.verdict, self.result = Verdict.DONE, result
        self.age = time.time() - self.event.time.timestamp()

    def repeat(self, result: Result) -> None:
        """The event was done before: nothing is left to do but to report its result again."""
        self.verdict, self.result = Verdict.DUPLICATE, result

    def defer(self, seconds: float) -> None:
        """Come back to the event later, as the same attempt."""
        self.verdict, self.delay = Verdict.RETRIED, seconds

    def fail(self, error: Exception, delays: Sequence[float]) -> None:
        """Try again later, or give the event up: when it was rejected, or after as many retries as there are delays."""
        if isinstance(error, Reject):
            self.give_up(error.reason, error)
        elif self.delivery.attempt > len(delays):
            self.give_up("attempts_exhausted", error)
        else:
            self._note(error)
            self.verdict, self.delay = Verdict.RETRIED, delays[self.delivery.attempt - 1]

    def give_up(self, reason: str, error: Exception) -> None:
        """Send the event to the dead letters."""
        self._note(error)
        self.verdict, self.reason = Verdict.DEAD_LETTERED, reason

    def _note(self, error: Exception) -> None:
        self.processing.failed(error)
        self.failure = Failure(self.delivery.attempt, timestamp(now()), describe(error), traceback_head(error))

    def dead_letter_result(self, handler: str) -> Result | None:
        """What to report of an event that is given up; None when it could not even be read."""
        if self.event is None:
            return None
        data: Mapping[str, Any] = {"reason": self.reason, "error": self.failure.error if self.failure else ""}
        return Result(self.event.id, self.event.type, handler, DEAD_LETTERED, now(), data, self.event.replyto)


def timestamp(time: datetime) -> str:
    """A time in UTC as RFC 3339 writes it."""
    return time.isoformat().replace("+00:00", "Z")


def describe(error: BaseException) -> str:
    """The kind and text of an error in one line."""
    return f"{type(error).__name__}: {error}"


def traceback_head(error: BaseException) -> str:
    """The first characters of an error's traceback."""
    return "".join(traceback.format_exception(error))[:TRACEBACK_CHARACTERS]
