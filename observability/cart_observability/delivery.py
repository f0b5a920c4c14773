"""What a message of RabbitMQ says of itself: which event it carries, and for which time it is delivered."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

CLOUDEVENTS_PREFIXES: Final = ("cloudEvents_", "cloudEvents:", "ce-")
"""Of the CloudEvents AMQP binding, what that allows beside it, and what bridges from HTTP leave."""
SENT_BACK: Final = frozenset({"rejected", "delivery_limit"})
"""Why a message is dead-lettered that somebody has tried; one that expired or found the queue full was not tried."""

Headers = Mapping[str, Any]


class Event(NamedTuple):
    """The event that a message carries, as far as its properties tell; what they leave out is empty.

    Attributes:
        id: The message's own id, else that of the CloudEvents headers.
        type: Of the CloudEvents headers, else the property `type`, else the routing key.
        source: Of the CloudEvents headers.
        subject: Of the CloudEvents headers.
    """

    id: str
    type: str
    source: str
    subject: str


class Delivery(NamedTuple):
    """One delivery.

    Attributes:
        exchange: Where the message was published, before any retry.
        routing_key: Under which it was.
        attempt: As of `attempt_of`.
        event: What it carries.
    """

    exchange: str
    routing_key: str
    attempt: int
    event: Event


def event_of(properties: Any, routing_key: str) -> Event:
    """The event of a message with these properties of pika's, published under this routing key."""
    headers: Headers = properties.headers or {}
    return Event(
        _text(properties.message_id) or _cloudevents(headers, "id"),
        _cloudevents(headers, "type") or _text(properties.type) or routing_key,
        _cloudevents(headers, "source"),
        _cloudevents(headers, "subject"),
    )


def delivery_of(queue: str, method: Any, properties: Any) -> Delivery:
    """What a callback of pika's is told of a message of this queue."""
    exchange, routing_key = _published(method, properties.headers or {})
    return Delivery(exchange, routing_key, attempt_of(queue, method, properties), event_of(properties, routing_key))


def attempt_of(queue: str, method: Any, properties: Any) -> int:
    """For which time a message of this queue is delivered, at least; 1 is the first.

    What was rejected and came back by a dead-letter exchange is counted by its header `x-death`, what was put back at
    once by a quorum queue's `x-delivery-count`. A classic queue does not count that: it says "again", which is 2.
    """
    headers: Headers = properties.headers or {}
    rejected = sum(_number(death.get("count")) for death in _deaths(headers) if _was_sent_back(death, queue))
    return 1 + rejected + _number(headers.get("x-delivery-count", method.redelivered))


def _was_sent_back(death: Headers, queue: str) -> bool:
    return death.get("queue") == queue and death.get("reason") in SENT_BACK


def _published(method: Any, headers: Headers) -> tuple[str, str]:
    """Exchange and routing key of the publisher: those of a delivery after a retry are the dead-letter exchange's."""
    first = (headers.get("x-first-death-queue"), headers.get("x-first-death-reason"))
    for death in _deaths(headers):
        keys = death.get("routing-keys")
        if (death.get("queue"), death.get("reason")) == first and isinstance(keys, list) and keys:
            return _text(death.get("exchange")), _text(keys[0])
    return method.exchange, method.routing_key


def _deaths(headers: Headers) -> list[Headers]:
    # A publisher may put anything into any header: what is not RabbitMQ's own is passed over.
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, Mapping)] if isinstance(deaths, list) else []


def _cloudevents(headers: Headers, name: str) -> str:
    return next((text for prefix in CLOUDEVENTS_PREFIXES if (text := _text(headers.get(f"{prefix}{name}")))), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int) else 0
