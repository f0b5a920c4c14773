"""What the bus itself notes in a message's headers: attempts, failures, why it was given up. Pure: no I/O.

Senders are not trusted: a note that cannot be read counts as absent.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from cart_platform.bus import DeadLetter, Delivery, Failure
from cart_platform.bus.rabbitmq.encoder import encode_table, encode_value
from cart_platform.events import Malformed, Message, decode

ATTEMPT = "cartscope-attempt"
FAILURES = "cartscope-failures"
ROUTING_KEY = "cartscope-routing-key"
REASON = "cartscope-reason"
DEAD_LETTERED_AT = "cartscope-dead-lettered-at"
DEAD_LETTER_ID = "cartscope-dead-letter-id"
REPLAYED = "cartscope-replayed"

_NOTES = frozenset({ATTEMPT, FAILURES, ROUTING_KEY, REASON, DEAD_LETTERED_AT, DEAD_LETTER_ID})
_OF_THE_BROKER = frozenset(
    {"x-death", "x-delivery-count", "x-acquired-count"}
    | {f"x-{end}-death-{what}" for end in ("first", "last") for what in ("exchange", "queue", "reason")}
)
_BOOKKEEPING = _NOTES | _OF_THE_BROKER

_MAXIMUM_ATTEMPT = 1_000_000
_KEPT_FAILURES = 16
_TRACEBACK_CHARACTERS = 2_000
_ERROR_CHARACTERS = 500
_HISTORY_BYTES = 32_768
_HEADERS_BYTES = 120_000
"""All headers must fit into one frame, 131,072 bytes unless the broker is told otherwise."""

_encode_failures = msgspec.json.Encoder().encode
_failures_decoder = msgspec.json.Decoder(tuple[Failure, ...])


def arrived(queue: str, routing_key: str, message: Message, *, redelivered: bool, tag: Any) -> Delivery:
    """The delivery of a message as it came from the broker, its sender's headers apart from the bus's notes."""
    headers = message.headers
    if _BOOKKEEPING.isdisjoint(headers):
        return Delivery(queue, routing_key, message, 1, redelivered, (), tag)
    return Delivery(
        queue,
        _text(headers.get(ROUTING_KEY)) or routing_key,
        _without_notes(message),
        _attempt(headers),
        redelivered,
        _failures(headers),
        tag,
    )


def _without_notes(message: Message) -> Message:
    headers = {name: value for name, value in message.headers.items() if name not in _BOOKKEEPING}
    return msgspec.structs.replace(message, headers=headers)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _attempt(headers: Mapping[str, Any]) -> int:
    value = headers.get(ATTEMPT)
    return value if type(value) is int and 1 <= value <= _MAXIMUM_ATTEMPT else 1


def _failures(headers: Mapping[str, Any]) -> tuple[Failure, ...]:
    value = headers.get(FAILURES)
    if not isinstance(value, str | bytes):
        return ()
    try:
        return _failures_decoder.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ()


def to_retry(delivery: Delivery, failure: Failure | None) -> Message:
    """The message as it waits for its next attempt."""
    attempt = delivery.attempt if failure is None else delivery.attempt + 1
    return _noted(delivery, failure, {ATTEMPT: attempt})


def given_up(delivery: Delivery, reason: str, failure: Failure | None) -> Message:
    """The message as it lies among the dead letters."""
    notes = {ATTEMPT: delivery.attempt, REASON: reason, DEAD_LETTERED_AT: _now(), DEAD_LETTER_ID: str(uuid.uuid4())}
    return _noted(delivery, failure, notes)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _noted(delivery: Delivery, failure: Failure | None, notes: dict[str, Any]) -> Message:
    history = delivery.failures if failure is None else (*delivery.failures, _bounded(failure))
    if history:
        notes[FAILURES] = _history(history)
    notes[ROUTING_KEY] = delivery.routing_key
    return msgspec.structs.replace(delivery.message, headers=_fitting(delivery.message.headers, notes))


def _bounded(failure: Failure) -> Failure:
    return Failure(
        failure.attempt,
        _printable(failure.time),
        _printable(failure.error)[:_ERROR_CHARACTERS],
        _printable(failure.traceback)[:_TRACEBACK_CHARACTERS],
    )


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _history(failures: Sequence[Failure]) -> str:
    """The last failures as JSON, as many as there is room for."""
    kept = list(failures[-_KEPT_FAILURES:])
    while len(data := _encode_failures(kept)) > _HISTORY_BYTES:
        del kept[0]
    return data.decode()


def _fitting(headers: Mapping[str, Any], notes: dict[str, Any]) -> dict[str, Any]:
    """The sender's headers and the notes; without the largest of the former where one frame cannot take them all."""
    kept = dict(headers)
    while kept and len(encode_table(kept | notes)) > _HEADERS_BYTES:
        del kept[max(kept, key=lambda name: len(encode_value(kept[name])))]
    return kept | notes


def to_replay(message: Message) -> Message:
    """A dead letter as a first attempt again, its replays counted."""
    replayed = message.headers.get(REPLAYED)
    count = replayed + 1 if type(replayed) is int else 1
    plain = _without_notes(message)
    notes = {REPLAYED: count, ROUTING_KEY: _routing_key(message.headers)}
    return msgspec.structs.replace(plain, headers=plain.headers | notes)


def _routing_key(headers: Mapping[str, Any]) -> str:
    """With which the message was published first."""
    return _text(headers.get(ROUTING_KEY)) or _death_routing_key(_death(headers))


def dead_letter(queue: str, message: Message, identity: str) -> DeadLetter:
    """A message among the dead letters of a queue, read for people."""
    headers, plain = message.headers, _without_notes(message)
    death = _death(headers)
    event_id, event_type = _event(plain)
    return DeadLetter(
        id=identity,
        queue=queue,
        reason=_text(headers.get(REASON)) or _text(death.get("reason")) or "unknown",
        time=_text(headers.get(DEAD_LETTERED_AT)) or _death_time(death),
        attempts=_attempt(headers),
        failures=_failures(headers),
        routing_key=_routing_key(headers),
        body=plain.body,
        headers=plain.headers,
        content_type=plain.content_type,
        event_id=event_id,
        event_type=event_type,
    )


def dead_letter_id(message: Message) -> str:
    """The id given when it was given up; a hash of what it is, when the broker made it a dead letter itself."""
    given = _text(message.headers.get(DEAD_LETTER_ID))
    if given:
        return given
    death = _death_time(_death(message.headers))
    parts = (message.message_id or "", death, encode_table(_without_notes(message).headers), message.body)
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()


class Numbering:
    """Tells equal ids apart by their order: `a`, `a-2`, `a-3`."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def name(self, identity: str) -> str:
        """The id of the next one."""
        self._seen[identity] += 1
        count = self._seen[identity]
        return identity if count == 1 else f"{identity}-{count}"


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The broker's own note of the last time that it dead-lettered the message."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    return first if isinstance(first, dict) else {}


def _death_time(death: Mapping[str, Any]) -> str:
    time = death.get("time")
    return time.isoformat().replace("+00:00", "Z") if isinstance(time, datetime) else ""


def _death_routing_key(death: Mapping[str, Any]) -> str:
    keys = death.get("routing-keys")
    return str(keys[0]) if isinstance(keys, list) and keys else ""


def _event(message: Message) -> tuple[str | None, str | None]:
    try:
        event = decode(message)
    except Malformed:
        return None, None
    return event.id, event.type
