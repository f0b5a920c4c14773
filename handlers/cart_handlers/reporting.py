"""Reports: publishes what handlers have to say about events, so that whoever waits for it hears of it."""

from collections.abc import Sequence

import msgspec

from cart_handlers.attempt import Attempt, Verdict
from cart_observability.messaging import Messaging, Outgoing
from cart_platform.bus import RESULTS_EXCHANGE, Bus, Outcome, Publication
from cart_platform.errors import Unavailable
from cart_platform.events import JSON, Message
from cart_platform.handler import Handler, Result
from cart_platform.lifetime import Stop, patiently
from cart_platform.store import Store


class Reporter:
    """Publishes the results of one batch, each after it was committed."""

    def __init__(self, handler: Handler, store: Store, bus: Bus, messaging: Messaging, stop: Stop) -> None:
        self._handler = handler
        self._store = store
        self._bus = bus
        self._messaging = messaging
        self._stop = stop

    async def report(self, attempts: Sequence[Attempt]) -> None:
        """Publish until every result is confirmed; raises Unavailable when asked to stop before."""
        for attempt in attempts:
            if attempt.verdict is Verdict.DEAD_LETTERED:
                await self._keep_dead_letter(attempt)
        waiting = [attempt for attempt in attempts if attempt.result is not None]
        while waiting:
            waiting = await patiently(lambda: self._publish(waiting), self._stop)  # noqa: B023  awaited in this turn

    async def _keep_dead_letter(self, attempt: Attempt) -> None:
        result = attempt.dead_letter_result(self._handler.name)
        if result is None or attempt.event is None:
            return
        event = attempt.event
        await patiently(lambda: self._store.record_dead_letter(event, result), self._stop)
        attempt.result = result

    async def _publish(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Publish results, and give those that were not confirmed; raises Unavailable when none was."""
        publications = [publication(attempt.result, attempt) for attempt in attempts if attempt.result]
        publishing = self._messaging.publishing_batch(
            RESULTS_EXCHANGE,
            [Outgoing(sent.routing_key, sent.message.headers, sent.message.message_id or "") for sent in publications],
        )
        outcomes = await self._bus.publish(publications)
        publishing.done(outcomes)
        left = [attempt for attempt, outcome in zip(attempts, outcomes, strict=True) if outcome == Outcome.UNKNOWN]
        if left and len(left) == len(attempts):
            raise Unavailable("the bus does not confirm results")
        return left


def publication(result: Result, attempt: Attempt) -> Publication:
    """A result on its way: routing key `<handler>.<outcome>`, and a copy to the address where it is awaited."""
    message = Message(
        msgspec.json.encode(result),
        dict(attempt.processing.headers),
        JSON,
        f"{result.event_id}:{result.handler}",
    )
    return Publication(
        RESULTS_EXCHANGE, f"{result.handler}.{result.outcome}", message, mandatory=False, copy_to=result.replyto
    )
