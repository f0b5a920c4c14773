"""What becomes of a delivery, as its consumer tells the broker."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from cart_observability.processing import Processing

DONE: Final = "done"
RETRIED: Final = "retried"
DEAD_LETTERED: Final = "dead_lettered"
FAILED: Final = "failed"
OPERATIONS: Final = {DONE: "ack", "duplicate": "ack", RETRIED: "retry", DEAD_LETTERED: "dead_letter"}
"""What a consumer may say of a message, and what the operation is called that settles it so."""
REJECTED: Final = "rejected"


class Settlement:
    """Hears what becomes of the delivery in work.

    Args:
        processing: The span of the work; has the error in the end, too.
        rejected: The outcome of a delivery that is rejected without requeue.
    """

    def __init__(self, processing: Processing, rejected: str) -> None:
        self._processing = processing
        self._rejected = rejected
        self._told: str | None = None
        self._settled: str | None = None
        self._times_ns: tuple[int, int] | None = None
        self._reason = ""
        self._error: BaseException | None = None
        # Whoever consumes while he handles an error of his own does not fail at this message.
        self._foreign = sys.exception()

    @property
    def outcome(self) -> str:
        """What became of the delivery; `failed` where the callback raised and nothing else is known."""
        outcome = self._told or self._settled or DONE
        return FAILED if outcome == DONE and self._error else outcome

    @property
    def reason(self) -> str:
        """Why the message was sent back or given up: what was said, or else the kind of the error."""
        return self._reason or (type(self._error).__qualname__ if self._error else REJECTED)

    def tell(self, outcome: str, reason: str = "") -> None:
        """The callback says it; that goes before what it tells the broker. Raises ValueError for no outcome."""
        self._told, self._reason = checked(outcome), reason
        now = time.time_ns()
        self._times_ns = self._times_ns or (now, now)
        self._note_error(outcome)

    def raised(self, error: BaseException) -> None:
        """The callback raised, or sent the message back for this error."""
        if error is not self._error:
            self._error = error
            self._processing.failed(error)

    @contextmanager
    def watching(self, channel: Any, tag: int) -> Iterator[None]:
        """Hears what the broker is told inside of the delivery with this tag."""
        ack, nack, reject = channel.basic_ack, channel.basic_nack, channel.basic_reject

        def basic_ack(delivery_tag: int = 0, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - pika's signature
            with self._settling(tag, delivery_tag, DONE, multiple=multiple):
                ack(delivery_tag, multiple)

        def basic_nack(delivery_tag: int = 0, multiple: bool = False, requeue: bool = True) -> None:  # noqa: FBT001, FBT002 - pika's signature
            with self._settling(tag, delivery_tag, RETRIED if requeue else self._rejected, multiple=multiple):
                nack(delivery_tag, multiple, requeue)

        def basic_reject(delivery_tag: int = 0, requeue: bool = True) -> None:  # noqa: FBT001, FBT002 - pika's signature
            with self._settling(tag, delivery_tag, RETRIED if requeue else self._rejected):
                reject(delivery_tag, requeue)

        # On the channel itself: a callback may know it otherwise than by its argument.
        channel.basic_ack, channel.basic_nack, channel.basic_reject = basic_ack, basic_nack, basic_reject
        try:
            yield
        finally:
            channel.basic_ack, channel.basic_nack, channel.basic_reject = ack, nack, reject

    @contextmanager
    def _settling(self, tag: int, settled: int, outcome: str, *, multiple: bool = False) -> Iterator[None]:
        started = time.time_ns()
        yield
        if settled == tag or (multiple and not 0 < settled < tag):
            self._settled, self._times_ns = outcome, (started, time.time_ns())
            self._note_error(outcome)

    def _note_error(self, outcome: str) -> None:
        handled = sys.exception()
        if outcome in {RETRIED, DEAD_LETTERED} and handled is not None and handled is not self._foreign:
            self.raised(handled)

    def end(self, event_type: str, seconds: float) -> None:
        """The callback is over; `seconds` is T_process."""
        if self._times_ns is not None:
            self._processing.settled(OPERATIONS.get(self.outcome, OPERATIONS[DONE]), *self._times_ns)
        self._processing.end(self.outcome, event_type, seconds)


in_hand: ContextVar[Settlement] = ContextVar("settlement_in_hand")
"""Of the delivery that is in work here."""


def checked(outcome: str) -> str:
    """The outcome, if a consumer may say it; raises ValueError otherwise."""
    if outcome not in OPERATIONS:
        raise ValueError(f"outcome {outcome!r} is not one of {', '.join(OPERATIONS)}")
    return outcome
