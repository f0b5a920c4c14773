"""What is known of an event and of its handlings, and how another sighting adds to it.

Whatever their order, and however often they come, sightings add up to the same: each part is the least or the greatest
of what was told, by an order of its own. Both are plain rows, in which None is what is not known.
"""

from typing import Final, TypeVar

from cart_observability.console.events.sightings import CONFIRMED
from cart_observability.console.records import Sighting

Value = TypeVar("Value", int, str)

Event = tuple[int, int, str | None, str | None, str | None, int | None, str | None, str | None, int | None]
"""When it was first and last heard of; type, subject, cause; rank and id of its trace; the bus's answer and its time.

The lower its rank is, the nearer to the event's birth a trace was told of.
"""
Handling = tuple[str | None, int, int, int | None, str | None]
"""Outcome of the attempt that counts, its number, when it was over, its duration, its error."""

DONE: Final = "done"
_OUTCOMES: Final = {"duplicate": 1, "retried": 2, "failed": 3, DONE: 5, "dead_lettered": 6}
_OTHER_OUTCOME: Final = 4
"""Of two outcomes of one and the same attempt the higher one stands: what was done, and then found done, was done."""
_ANSWERS: Final = {CONFIRMED: 3, "unroutable": 2, "refused": 2}
_OTHER_ANSWER: Final = 1
CLOSE: Final = 1_000_000_000
"""ns; no person replays a dead letter sooner."""
_NO_BIRTH: Final = 1 << 63
_NOTHING: Final = (None, None, None, None, None, None, None)


def event(known: Event | None, sighting: Sighting) -> Event:
    """What is known of an event after another sighting of it."""
    time = sighting.time
    first, last, type_, subject, cause, rank, trace_id, answer, answered = known or (time, time, *_NOTHING)
    if sighting.trace_id is not None:
        rank, trace_id = _nearer(rank, trace_id, time - _NO_BIRTH if sighting.is_birth else time, sighting.trace_id)
    if sighting.handler is None and sighting.outcome is not None:
        answer, answered = _better(answer, answered, sighting.outcome, time)
    return (
        min(first, time - (sighting.duration or 0)),
        max(last, time),
        _least(type_, sighting.type),
        _least(subject, sighting.subject),
        _least(cause, sighting.cause),
        rank,
        trace_id,
        answer,
        answered,
    )


def handling(known: Handling | None, sighting: Sighting) -> Handling:
    """What is known of a handler's work on an event after another sighting of it.

    What was done is done, whatever else was tried; until then the latest attempt counts.
    """
    told = (sighting.outcome, sighting.attempt or 1, sighting.time, sighting.duration, sighting.error)
    if known is None:
        return told
    mine, others = _weight(known), _weight(told)
    if mine != others:
        return known if mine > others else told
    outcome, attempts, time, duration, error = known
    # A line may tell the message of an error of which a span tells the type only.
    telling = max(error or "", sighting.error or "", key=lambda text: (len(text), text)) or None
    return outcome, attempts, min(time, sighting.time), _least(duration, sighting.duration), telling


def _nearer(rank: int | None, trace_id: str | None, other_rank: int, other_id: str) -> tuple[int, str]:
    if rank is None or trace_id is None:
        return other_rank, other_id
    return min((rank, trace_id), (other_rank, other_id))


def _better(answer: str | None, answered: int | None, other: str, time: int) -> tuple[str, int]:
    """The better answer, and of equal ones the first."""
    if answer is None or answered is None:
        return other, time
    known = (_ANSWERS.get(answer, _OTHER_ANSWER), answer, -answered)
    told = (_ANSWERS.get(other, _OTHER_ANSWER), other, -time)
    return (answer, answered) if known >= told else (other, time)


def _weight(told: Handling) -> tuple[bool, int, int, int, str]:
    outcome, attempts, time, *_ = told
    is_done = outcome == DONE
    rank = 0 if outcome is None else _OUTCOMES.get(outcome, _OTHER_OUTCOME)
    # A dead letter that is replayed begins with attempt 1 again: which attempt is the latest, its time tells. Of those
    # close together their numbers do, for who tells of one and the same attempt does so at times that differ a little.
    return is_done, 0 if is_done else time // CLOSE, attempts, rank, outcome or ""


def _least(one: Value | None, other: Value | None) -> Value | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
