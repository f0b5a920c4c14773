"""The queues: publishing into them, leasing from them, settling."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from cart_platform.bus import Delivery, Failure, Outcome, Publication
from cart_platform.bus.sql.routes import Routes
from cart_platform.bus.sql.row import content, delivery, history, printable
from cart_platform.bus.sql.schema import DELAYED, READY, dead_letters, messages
from cart_platform.bus.sql.transactions import Step
from cart_platform.events import now

ARRIVAL = [
    messages.c[name]
    for name in (
        "id",
        "queue",
        "routing_key",
        "message_id",
        "content_type",
        "headers",
        "body",
        "failures",
        "attempt",
        "deliveries",
    )
]
_GIVEN_UP = ("queue", "routing_key", "message_id", "content_type", "headers", "body")


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a batch, and which queues got something of it."""

    outcomes: Sequence[Outcome]
    queues: frozenset[str]


@dataclass(frozen=True, slots=True)
class Retry:
    """A delivery that comes again after `delay` seconds."""

    delivery: Delivery
    delay: float
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A delivery that becomes a dead letter."""

    delivery: Delivery
    reason: str
    failure: Failure | None


def listed(column: ColumnElement[int], name: str = "ids") -> ColumnElement[bool]:
    """The column is one of a JSON list of numbers: one statement, however long the list."""
    return column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value))


def numbers(ids: Iterable[int]) -> str:
    """Numbers as `listed` takes them."""
    return msgspec.json.encode(list(ids)).decode()


_held = messages.c.holder == bindparam("mine")
_one = messages.c.id == bindparam("message")
_oldest = (
    select(messages.c.id)
    .where(messages.c.queue == bindparam("of"), messages.c.holder == READY)
    .order_by(messages.c.id)
    .limit(bindparam("limit"))
)
_insert = insert(messages)
_lease = (
    update(messages)
    .where(messages.c.id.in_(_oldest))
    .values(holder=bindparam("mine"), deliveries=messages.c.deliveries + 1)
    .returning(*ARRIVAL)
)
_take = delete(messages).where(messages.c.id.in_(_oldest)).returning(*ARRIVAL)
_ack = delete(messages).where(listed(messages.c.id), _held)
_give_back = update(messages).where(listed(messages.c.id), _held).values(holder=READY)
_retry = (
    update(messages)
    .where(_one, _held)
    .values(
        holder=DELAYED,
        deliveries=0,
        attempt=bindparam("next_attempt"),
        failures=bindparam("history"),
        available_at=bindparam("due"),
    )
)
_bury = insert(dead_letters).from_select(
    [*_GIVEN_UP, "failures", "attempts", "reason", "time"],
    select(
        *(messages.c[name] for name in _GIVEN_UP),
        bindparam("history", type_=dead_letters.c.failures.type),
        bindparam("attempts", type_=dead_letters.c.attempts.type),
        bindparam("reason", type_=dead_letters.c.reason.type),
        bindparam("time", type_=dead_letters.c.time.type),
    ).where(_one, _held),
)


class Queues:
    """The steps of one bus instance, the holder of what it leases.

    `publish` is durable, `report` is not: for results, which the store keeps. Settling what this holder does not hold
    (any more) has no effect.
    """

    def __init__(self, holder: int, routes: Routes) -> None:
        self._holder = holder
        self._routes = routes
        self.ack: Step[Sequence[Delivery], None] = Step(self._ack, rank=0)
        self.retry: Step[Retry, None] = Step(self._retry, rank=1)
        self.dead_letter: Step[GivenUp, None] = Step(self._dead_letter, rank=2)
        self.give_back: Step[Sequence[Delivery], None] = Step(self._give_back, rank=3)
        self.publish: Step[Sequence[Publication], Published] = Step(self._publish, rank=4, durable=True)
        self.report: Step[Sequence[Publication], Published] = Step(self._publish, rank=5)
        self.lease: Step[tuple[str, int], list[Delivery]] = Step(self._lease, rank=6)
        self.take: Step[tuple[str, int], list[Delivery]] = Step(self._take, rank=6)

    def _publish(self, connection: Connection, batches: Sequence[Sequence[Publication]]) -> Sequence[Published]:
        routes = self._routes.of(connection)
        rows: list[dict[str, Any]] = []
        answers = []
        for batch in batches:
            queues = [routes(publication) for publication in batch]
            for publication, names in zip(batch, queues, strict=True):
                columns = content(publication) if names else {}
                rows += [{"queue": name, **columns} for name in names]
            outcomes = [
                _outcome(publication, routed=bool(names)) for publication, names in zip(batch, queues, strict=True)
            ]
            answers.append(Published(outcomes, frozenset().union(*queues)))
        if rows:
            connection.execute(_insert, rows)
        return answers

    def _lease(self, connection: Connection, wishes: Sequence[tuple[str, int]]) -> Sequence[list[Delivery]]:
        return [self._arrivals(connection, _lease, queue, limit) for queue, limit in wishes]

    def _take(self, connection: Connection, wishes: Sequence[tuple[str, int]]) -> Sequence[list[Delivery]]:
        return [self._arrivals(connection, _take, queue, limit) for queue, limit in wishes]

    def _arrivals(self, connection: Connection, statement: Any, queue: str, limit: int) -> list[Delivery]:
        rows = connection.execute(statement, {"of": queue, "limit": limit, "mine": self._holder})
        # The rows come in no order that SQLite would promise.
        return [delivery(row) for row in sorted(rows, key=_number)]

    def _ack(self, connection: Connection, batches: Sequence[Sequence[Delivery]]) -> Sequence[None]:
        return self._for_all(connection, _ack, batches)

    def _give_back(self, connection: Connection, batches: Sequence[Sequence[Delivery]]) -> Sequence[None]:
        return self._for_all(connection, _give_back, batches)

    def _for_all(self, connection: Connection, statement: Any, batches: Sequence[Sequence[Delivery]]) -> Sequence[None]:
        ids = numbers(delivered.tag for batch in batches for delivered in batch)
        connection.execute(statement, {"ids": ids, "mine": self._holder})
        return [None] * len(batches)

    def _retry(self, connection: Connection, retries: Sequence[Retry]) -> Sequence[None]:
        rows = [
            {
                "message": retry.delivery.tag,
                "mine": self._holder,
                "next_attempt": retry.delivery.attempt + (retry.failure is not None),
                "history": history(retry.delivery, retry.failure),
                "due": time.time() + retry.delay,
            }
            for retry in retries
        ]
        connection.execute(_retry, rows)
        return [None] * len(retries)

    def _dead_letter(self, connection: Connection, letters: Sequence[GivenUp]) -> Sequence[None]:
        rows = [
            {
                "message": letter.delivery.tag,
                "mine": self._holder,
                "history": history(letter.delivery, letter.failure),
                "attempts": letter.delivery.attempt,
                "reason": printable(letter.reason),
                "time": now().isoformat().replace("+00:00", "Z"),
            }
            for letter in letters
        ]
        connection.execute(_bury, rows)
        self._for_all(connection, _ack, [[letter.delivery for letter in letters]])
        return [None] * len(letters)


def _number(row: Any) -> int:
    return int(row[0])


def _outcome(publication: Publication, *, routed: bool) -> Outcome:
    return Outcome.CONFIRMED if routed or not publication.mandatory else Outcome.UNROUTABLE
