"""Commands: takes them to the store, waits for the handlers' results where that is preferred, and answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from starlette.requests import Request
from starlette.responses import Response

from cart_observability.messaging import Creation, Messaging
from cart_observability.telemetry import Telemetry
from cart_platform.api.models import Accepted
from cart_platform.api.preferences import wait_preference
from cart_platform.api.problems import ProblemError
from cart_platform.api.waiters import Waiter, Waiters
from cart_platform.bus import EVENTS_EXCHANGE
from cart_platform.cart import EVENT_OF_COMMAND, Command, Refused
from cart_platform.errors import Unavailable
from cart_platform.handler import Handler, reacting
from cart_platform.store import Execution, IdempotencyKeyReused, Origin, Store

KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
"""An Idempotency-Key: visible ASCII, no spaces."""

LOOK_AGAIN = 1.0
"""Seconds after which a repeated command looks for its results in the store again."""

_key = re.compile(KEY_PATTERN.removesuffix("$"))


class Commands:
    """Executes commands and answers for them."""

    def __init__(
        self, store: Store, messaging: Messaging, handlers: Sequence[Handler], telemetry: Telemetry, waiters: Waiters
    ) -> None:
        self._store = store
        self._messaging = messaging
        self._handlers = handlers
        self._telemetry = telemetry
        self._waiters = waiters

    async def accept(self, command: Command, request: Request, key: str | None, prefer: str | None) -> Response:
        """Execute the command: 202, or 200 with the results when they are preferred and come in time.

        Raises:
            Refused: by the cart's rules.
            ProblemError: for an Idempotency-Key that is none, or that was used for another command.
            Unavailable: when the store does not answer or has too much to do.
        """
        if key is not None and _key.fullmatch(key) is None:
            raise ProblemError("invalid_idempotency_key", "an Idempotency-Key is 1 to 255 visible ASCII characters")
        seconds = wait_preference(prefer)
        if seconds is None or self._waiters.full:
            return answer(await self._execute(command, Origin(), key))
        return await self._accept_and_wait(command, request, key, seconds)

    async def _accept_and_wait(self, command: Command, request: Request, key: str | None, seconds: int) -> Response:
        with self._waiters.waiting() as waiter:
            execution = await self._execute(command, Origin(replyto=self._waiters.address), key)
            event = execution.event
            self._waiters.expect(waiter, event.id, reacting(self._handlers, event.type))
            async with released_with_client(waiter, request):
                await self._wait(waiter, seconds, repeated=execution.repeated)
        return answer(execution, waiter, seconds)

    async def _wait(self, waiter: Waiter, seconds: float, *, repeated: bool) -> None:
        """Wait until complete, and look into the store when that was in vain.

        The results of a repeated command went to whoever sent it first: they are looked for at once and then again.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        if repeated:
            await self._look(waiter)
        while not (waiter.complete or waiter.released) and (left := deadline - clock()) > 0:
            await waiter.wait(min(left, LOOK_AGAIN) if repeated else left)
            if not waiter.complete:
                await self._look(waiter)

    async def _look(self, waiter: Waiter) -> None:
        # The command is accepted whether or not the store can be read at this moment.
        with suppress(Unavailable):
            recorded = await self._store.event(waiter.event_id or "")
            waiter.take(recorded.results.values() if recorded else ())

    async def _execute(self, command: Command, origin: Origin, key: str | None) -> Execution:
        with self._messaging.creating(EVENT_OF_COMMAND[type(command)], EVENTS_EXCHANGE) as creation:
            outcome = await self._outcome(command, Origin(creation.headers, origin.replyto), key)
            if isinstance(outcome, Execution):
                self._note(outcome, creation)
                return outcome
        raise outcome

    async def _outcome(self, command: Command, origin: Origin, key: str | None) -> Execution | Exception:
        # Given, not raised: what the client did wrong is no error of the span in which the event would be made.
        try:
            return await self._store.execute(command, origin, key)
        except Refused as refused:
            return refused
        except IdempotencyKeyReused as reused:
            return ProblemError("idempotency_key_reused", str(reused))

    def _note(self, execution: Execution, creation: Creation) -> None:
        event = execution.event
        creation.event(event.id, event.type, event.source, event.subject)
        if execution.repeated:
            self._telemetry.metrics.event_repeated()
            return
        self._telemetry.metrics.event_accepted(event.type, span_context=creation.span_context)
        self._telemetry.log.info(
            "event accepted",
            **{
                "event.action": "event.accepted",
                "cartscope.event.id": event.id,
                "cartscope.event.type": event.type,
                "cartscope.cart.id": event.subject,
            },
        )


def answer(execution: Execution, waiter: Waiter | None = None, waited: int | None = None) -> Response:
    """The answer to a command that was executed, and perhaps waited for."""
    handled = waiter is not None and waiter.complete
    headers = {"Location": f"/events/{execution.event.id}"}
    if execution.repeated:
        headers["Idempotency-Replayed"] = "true"
    if waited is not None:
        headers["Preference-Applied"] = f"wait={waited}"
    body = Accepted.of(execution, waiter.results if waiter else {}, handled=handled).model_dump_json()
    return Response(body, 200 if handled else 202, headers, "application/json")


@asynccontextmanager
async def released_with_client(waiter: Waiter, request: Request) -> AsyncIterator[None]:
    """Release the waiter in this block as soon as the client is gone."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        waiter.release()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})
