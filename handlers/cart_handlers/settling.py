"""Settles: acks what is done, sends back what is to be retried, and puts aside what is given up; and tells of each."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from cart_handlers.attempt import Attempt, Verdict
from cart_observability.telemetry import Telemetry
from cart_platform.bus import Subscription
from cart_platform.handler import Handler

ACTIONS = {
    Verdict.DONE: ("info", "event handled", "event.handled"),
    Verdict.DUPLICATE: ("info", "event handled before", "event.handled"),
    Verdict.RETRIED: ("warning", "event retried", "event.retried"),
    Verdict.DEAD_LETTERED: ("error", "event dead-lettered", "event.dead_lettered"),
}
"""The log level, message and `event.action` of each verdict."""


class Settler:
    """Settles the deliveries of one batch, after their effects are committed and their results published."""

    def __init__(self, handler: Handler, subscription: Subscription, telemetry: Telemetry) -> None:
        self._handler = handler
        self._subscription = subscription
        self._metrics = telemetry.metrics
        self._log = telemetry.log

    async def settle(self, attempts: Sequence[Attempt]) -> None:
        """Settle every delivery by its attempt's verdict."""
        await self._ack([attempt for attempt in attempts if attempt.verdict in (Verdict.DONE, Verdict.DUPLICATE)])
        await asyncio.gather(
            *(self._retry(attempt) for attempt in attempts if attempt.verdict is Verdict.RETRIED),
            *(self._dead_letter(attempt) for attempt in attempts if attempt.verdict is Verdict.DEAD_LETTERED),
        )
        for attempt in attempts:
            self._tell(attempt)

    async def _ack(self, attempts: Sequence[Attempt]) -> None:
        if not attempts:
            return
        started = time.time_ns()
        await self._subscription.ack([attempt.delivery for attempt in attempts])
        ended = time.time_ns()
        for attempt in attempts:
            attempt.processing.settled("ack", started, ended)

    async def _retry(self, attempt: Attempt) -> None:
        started = time.time_ns()
        await self._subscription.retry(attempt.delivery, attempt.delay, attempt.failure)
        attempt.processing.settled("retry", started, time.time_ns())

    async def _dead_letter(self, attempt: Attempt) -> None:
        started = time.time_ns()
        await self._subscription.dead_letter(attempt.delivery, attempt.reason, attempt.failure)
        attempt.processing.settled("dead_letter", started, time.time_ns())
        self._metrics.dead_lettered(self._handler.name, attempt.reason, span_context=attempt.processing.span_context)

    def _tell(self, attempt: Attempt) -> None:
        assert attempt.verdict is not None
        level, text, action = ACTIONS[attempt.verdict]
        getattr(self._log, level)(text, **attempt.processing.log_fields, **self._fields(attempt, action))

    def _fields(self, attempt: Attempt, action: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "event.action": action,
            "cartscope.outcome": str(attempt.verdict),
            "event.duration": int(attempt.seconds * 1e9),
        }
        if attempt.event is not None:
            fields["cartscope.cart.id"] = attempt.event.subject
        if attempt.failure is not None:
            fields["error.type"] = attempt.failure.error.partition(":")[0]
            fields["error.message"] = attempt.failure.error
            fields["error.stack_trace"] = attempt.failure.traceback
        if attempt.reason:
            fields["event.reason"] = attempt.reason
        return fields
