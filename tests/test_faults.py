"""Each fault on the embedded chain: what is seen of it, and that nothing is lost by it."""

from functools import partial
from pathlib import Path

from cart_platform.faults.catalogue import (
    DOUBLED_DELIVERIES,
    FAILING_HANDLER,
    MAIL_DOWN,
    PAUSED_RELAY,
    POISON_MESSAGE,
    SLOW_HANDLER,
    SLOW_SECONDS,
    STOPPED_HANDLER,
)
from cart_platform.faults.switchboard import Switchboard, switched_on
from support.disturbed import Disturbed, disturbed
from support.polling import eventually

THRESHOLD, POPULARITY, NOTIFICATION, RELAY = (
    "cartscope-worker-threshold",
    "cartscope-worker-popularity",
    "cartscope-worker-notification",
    "cartscope-relay",
)


def began_and_ended(service: str, handler: str | None = None) -> set[tuple[str, str, str | None]]:
    """What one process tells of a fault."""
    return {(service, action, handler) for action in ("fault.injected", "fault.ended")}


async def shop(run: Disturbed, carts: int = 3, prefix: str = "cart") -> None:
    """Shoppers who put twelve units each into a cart of their own."""
    for number in range(carts):
        assert 202 == (await run.chain.add(f"{prefix}-{number}", "milk", 12))[0]


async def test_mail_down(tmp_path: Path) -> None:
    """E-mails fail as on a server that refuses connections, and each is sent once when it is back."""

    async def scenario(run: Disturbed) -> None:
        await run.on(MAIL_DOWN, "notification")
        await shop(run)
        await eventually(lambda: len(run.lines("event.retried", **{"cartscope.handler": "notification"})) > 3)
        assert 0 == await run.done("notification")
        await run.off(MAIL_DOWN)

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(NOTIFICATION, "notification") == left.told(MAIL_DOWN)
    assert (3, 0) == (left.handled("notification", "done"), left.handled("notification", "dead_lettered"))
    errors = {line["error.message"] for line in left.emitted[NOTIFICATION].lines if "error.message" in line}
    assert all(error.startswith("ConnectionRefusedError: ") for error in errors)
    assert {} == left.findings


async def test_slow_handler(tmp_path: Path) -> None:
    """Each event of the chosen handler takes longer, each is committed by itself, and no other handler is slow."""

    async def scenario(run: Disturbed) -> None:
        await run.on(SLOW_HANDLER, "threshold")
        await shop(run)
        await eventually(run.over)
        await run.off(SLOW_HANDLER)
        await shop(run, prefix="quick")

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(THRESHOLD, "threshold") == left.told(SLOW_HANDLER)
    durations = {
        service: sorted(line["event.duration"] for line in left.emitted[service].lines if "event.duration" in line)
        for service in (THRESHOLD, POPULARITY)
    }
    slow = [duration for duration in durations[THRESHOLD] if duration >= SLOW_SECONDS * 1e9]
    assert (3, 6) == (len(slow), len(durations[THRESHOLD]))
    assert durations[POPULARITY][-1] < SLOW_SECONDS * 1e9
    assert {} == left.findings


async def test_failing_handler(tmp_path: Path) -> None:
    """Events of the chosen handler become dead letters, the audit says so, and replayed they are done."""

    async def scenario(run: Disturbed) -> None:
        await run.on(FAILING_HANDLER, "popularity")
        await shop(run)
        await eventually(lambda: given_up(run, 3))
        await run.off(FAILING_HANDLER)

    left = await disturbed(tmp_path, scenario, delays=(0.05,))
    assert began_and_ended(POPULARITY, "popularity") == left.told(FAILING_HANDLER)
    assert (0, 3, 3) == tuple(left.handled("popularity", outcome) for outcome in ("done", "retried", "dead_lettered"))
    assert {"event given up": 3} == left.findings


async def given_up(run: Disturbed, count: int) -> bool:
    """Whether so many dead letters are kept."""
    return await run.chain.dead_letters() == count


async def test_failing_handler_replayed(tmp_path: Path) -> None:
    """What a failing handler gave up is replayed when the fault has ended, and then nothing is missing."""

    async def scenario(run: Disturbed) -> None:
        await run.on(FAILING_HANDLER, "popularity")
        await shop(run)
        await eventually(lambda: given_up(run, 3))
        await run.off(FAILING_HANDLER)
        assert 3 == await run.chain.parts.bus.replay("cart.popularity")

    left = await disturbed(tmp_path, scenario, delays=(0.05,))
    assert 3 == left.handled("popularity", "done")
    assert {} == left.findings


async def test_poison_message(tmp_path: Path) -> None:
    """One message that is no event becomes a dead letter of the chosen handler alone, each time it is asked for."""

    async def scenario(run: Disturbed) -> None:
        for times in (1, 2):
            await run.on(POISON_MESSAGE, "threshold")
            await eventually(partial(given_up, run, times))
        [first, _] = await run.chain.parts.bus.dead_letters("cart.threshold")
        assert ("not_json", "cart.threshold", None) == (first.reason, first.queue, first.event_id)
        assert [] == run.board.read()
        await shop(run)

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(THRESHOLD, "threshold") == left.told(POISON_MESSAGE)
    assert {} == left.findings


async def test_doubled_deliveries(tmp_path: Path) -> None:
    """Every event comes twice to every handler, and has its effect once."""

    async def scenario(run: Disturbed) -> None:
        await run.on(DOUBLED_DELIVERIES)
        await shop(run)
        await eventually(run.over)
        await run.off(DOUBLED_DELIVERIES)
        await shop(run, prefix="once")

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(RELAY) == left.told(DOUBLED_DELIVERIES)
    for handler in ("threshold", "popularity", "notification"):
        assert (6, 3) == (left.handled(handler, "done"), left.handled(handler, "duplicate"))
    assert {} == left.findings


async def test_paused_relay(tmp_path: Path) -> None:
    """Commands are taken while nothing leaves the outbox; afterwards everything does."""

    async def scenario(run: Disturbed) -> None:
        await run.on(PAUSED_RELAY)
        await shop(run)
        depth = await run.chain.parts.store.depth()
        await eventually(lambda: old(run, 1.0))
        assert (3, 0) == (depth.pending, await run.done("threshold"))
        assert [] == run.lines("event.published")
        await run.off(PAUSED_RELAY)

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(RELAY) == left.told(PAUSED_RELAY)
    assert 3 == left.handled("notification", "done")
    assert {} == left.findings


async def old(run: Disturbed, seconds: float) -> bool:
    """Whether the oldest event in the outbox is so old."""
    return (await run.chain.parts.store.depth()).oldest_age > seconds


async def test_stopped_handler(tmp_path: Path) -> None:
    """Messages wait on the queue of the chosen handler while others work, and are handled once it consumes again."""

    async def scenario(run: Disturbed) -> None:
        await shop(run, prefix="before")
        await eventually(run.over)
        await run.on(STOPPED_HANDLER, "popularity")
        await shop(run)
        await eventually(lambda: waits(run, 3))
        assert (6, 3) == (await run.done("threshold"), await run.done("popularity"))
        await run.off(STOPPED_HANDLER)

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(POPULARITY, "popularity") == left.told(STOPPED_HANDLER)
    assert (6, 0) == (left.handled("popularity", "done"), left.handled("popularity", "duplicate"))
    assert {} == left.findings


async def waits(run: Disturbed, count: int) -> bool:
    """Whether so many messages wait for popularity, and none for the others."""
    return (await run.chain.parts.bus.backlog()) == {
        "cart.threshold": 0,
        "cart.popularity": count,
        "cart.notification": 0,
    }


async def has_begun(run: Disturbed) -> bool:
    """Whether popularity has done something."""
    return await run.done("popularity") > 0


async def test_stopped_in_work(tmp_path: Path) -> None:
    """What is in work when its handler is stopped comes to its end, and is not delivered again."""

    async def scenario(run: Disturbed) -> None:
        await run.on(SLOW_HANDLER, "popularity")
        await shop(run, carts=6)
        await eventually(lambda: has_begun(run))
        await run.on(STOPPED_HANDLER, "popularity")
        await run.off(SLOW_HANDLER)
        await run.off(STOPPED_HANDLER)

    left = await disturbed(tmp_path, scenario)
    assert (6, 0) == (left.handled("popularity", "done"), left.handled("popularity", "duplicate"))
    assert {} == left.findings


async def test_switched_on_before(tmp_path: Path) -> None:
    """A process that starts acts at once on what was switched on before, as one that was restarted does."""
    Switchboard(tmp_path / "faults.json").on([switched_on(STOPPED_HANDLER, "popularity"), switched_on(PAUSED_RELAY)])

    async def scenario(run: Disturbed) -> None:
        await shop(run)
        await run.tells("fault.injected", PAUSED_RELAY)
        await run.off(PAUSED_RELAY)
        await eventually(lambda: waits(run, 3))
        assert 0 == await run.done("popularity")
        run.board.clear()

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(POPULARITY, "popularity") == left.told(STOPPED_HANDLER)
    assert {} == left.findings


async def test_processes_that_are_not_concerned(tmp_path: Path) -> None:
    """A fault that is still on at the end of the chain ends with it; nobody acts on what does not concern him."""

    async def scenario(run: Disturbed) -> None:
        await run.on(SLOW_HANDLER, "threshold")
        await run.on(DOUBLED_DELIVERIES)

    left = await disturbed(tmp_path, scenario)
    assert began_and_ended(THRESHOLD, "threshold") == left.told(SLOW_HANDLER)
    assert began_and_ended(RELAY) == left.told(DOUBLED_DELIVERIES)
