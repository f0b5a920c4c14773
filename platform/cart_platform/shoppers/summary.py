"""What a run has come to: counted while it goes, reported on its way and at its end."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cart_platform.shoppers.answer import Answer
from cart_platform.shoppers.histogram import Histogram


@dataclass(frozen=True)
class Progress:
    """A run on its way, in commands and seconds.

    `total` is None when it is not known in advance. `in_flight` counts commands begun and not yet answered, `retried`
    further attempts. `late_seconds` says how long after its intended time the latest command was begun.
    """

    total: int | None
    sent: int
    accepted: int
    rejected: Mapping[str, int]
    retried: int
    failed: int
    in_flight: int
    late_seconds: float
    elapsed_seconds: float


@dataclass(frozen=True)
class Summary:
    """A run at its end, in commands and seconds.

    `failed`: given up after retries. `unsent`: never begun, because the run was interrupted or the API so slow that
    their time was over. `unanswered`: cut off by an interruption, of unknown outcome. `troubles` counts by kind what
    the retries were for. `latency` runs from the intended start to the last answer, retries included; `late` from the
    intended to the real start (nothing in a replay, which has no intended times).
    """

    accepted: int
    rejected: Mapping[str, int]
    failed: int
    unsent: int
    unanswered: int
    retried: int
    troubles: Mapping[str, int]
    interrupted: bool
    duration_seconds: float
    latency_seconds: Mapping[str, float]
    late_seconds: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Commands answered (accepted or rejected) per second."""
        return (self.accepted + sum(self.rejected.values())) / self.duration_seconds if self.duration_seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON takes it."""
        return {
            "commands": {
                "accepted": self.accepted,
                "rejected": dict(self.rejected),
                "failed": self.failed,
                "unsent": self.unsent,
                "unanswered": self.unanswered,
            },
            "retried": self.retried,
            "troubles": dict(self.troubles),
            "interrupted": self.interrupted,
            "duration_seconds": self.duration_seconds,
            "rate": self.rate,
            "latency_seconds": dict(self.latency_seconds),
            "late_seconds": dict(self.late_seconds),
        }


class Tally:
    """Counts a run's commands; `total` is None when their number is not known in advance."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._started = 0.0
        self._latency = Histogram()
        self._late = Histogram()
        self._late_seconds = 0.0
        self._rejected: Counter[str] = Counter()
        self._troubles: Counter[str] = Counter()
        self._sent = self._accepted = self._failed = self._skipped = 0
        self.interrupted = False

    def start(self) -> None:
        """Starts the run's clock."""
        self._started = time.perf_counter()

    def begin(self, due: float | None) -> float:
        """Counts a command as begun, and gives the time (`time.perf_counter`) its latency is measured from."""
        self._sent += 1
        started = time.perf_counter()
        if due is None:
            return started
        self._late_seconds = started - due
        self._late.record(self._late_seconds)
        return due

    def end(self, answer: Answer, since: float) -> None:
        """Counts the answer to a command that was begun."""
        self._latency.record(time.perf_counter() - since)
        if answer.trouble is not None:
            self._failed += 1
        elif answer.reason is not None:
            self._rejected[answer.reason] += 1
        else:
            self._accepted += 1

    def skip(self) -> None:
        """Counts a command that is never begun."""
        self._skipped += 1

    def trouble(self, kind: str) -> None:
        """Counts a further attempt, made because of this trouble."""
        self._troubles[kind] += 1

    def progress(self) -> Progress:
        """The run at this moment."""
        return Progress(
            total=self._total,
            sent=self._sent,
            accepted=self._accepted,
            rejected=dict(self._rejected),
            retried=self._troubles.total(),
            failed=self._failed,
            in_flight=self._sent - self._latency.count,
            late_seconds=self._late_seconds,
            elapsed_seconds=time.perf_counter() - self._started,
        )

    def summary(self) -> Summary:
        """The run as if it ended at this moment."""
        return Summary(
            accepted=self._accepted,
            rejected=dict(self._rejected),
            failed=self._failed,
            unsent=self._skipped if self._total is None else self._total - self._sent,
            unanswered=self._sent - self._latency.count,
            retried=self._troubles.total(),
            troubles=dict(self._troubles),
            interrupted=self.interrupted,
            duration_seconds=time.perf_counter() - self._started,
            latency_seconds=self._latency.as_dict(),
            late_seconds=self._late.as_dict(),
        )
