"""The dead letters of a queue: listed, replayed, purged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select

from cart_platform.bus import DeadLetter
from cart_platform.bus.sql.queues import listed, numbers
from cart_platform.bus.sql.row import count_replay, dead_letter
from cart_platform.bus.sql.schema import dead_letters, messages
from cart_platform.bus.sql.transactions import Step

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some dead letters of a queue."""

    queue: str
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest dead letters of a queue, at most `limit` if there is one."""

    queue: str
    limit: int | None = None


_COPIED = ("queue", "routing_key", "message_id", "content_type", "body")
_of_queue = dead_letters.c.queue == bindparam("of")
_oldest = select(dead_letters).where(_of_queue).order_by(dead_letters.c.id).limit(bindparam("limit"))
_ids = select(dead_letters.c.id).where(_of_queue).order_by(dead_letters.c.id)
_chosen = select(dead_letters).where(_of_queue, listed(dead_letters.c.id)).order_by(dead_letters.c.id)
_delete = delete(dead_letters).where(_of_queue, listed(dead_letters.c.id))
_insert = insert(messages)

# To SQLite a negative limit is none.
_NO_LIMIT = -1
_LARGEST_DIGITS = 18


def read_ids(ids: Iterable[str]) -> Sequence[int]:
    """The numbers behind ids; what cannot be one is left out, because nothing goes by it."""
    return [int(text) for text in ids if text.isascii() and text.isdigit() and len(text) <= _LARGEST_DIGITS]


def _listing(connection: Connection, wish: Oldest) -> Sequence[DeadLetter]:
    limit = _NO_LIMIT if wish.limit is None else wish.limit
    return [dead_letter(row) for row in connection.execute(_oldest, {"of": wish.queue, "limit": limit})]


def _all(connection: Connection, queue: str) -> Sequence[int]:
    return connection.execute(_ids, {"of": queue}).scalars().all()


def _replay(connection: Connection, chosen: Chosen) -> int:
    parameters = {"of": chosen.queue, "ids": numbers(chosen.ids)}
    rows = [
        {"headers": count_replay(row.headers)} | {name: getattr(row, name) for name in _COPIED}
        for row in connection.execute(_chosen, parameters)
    ]
    if rows:
        connection.execute(_insert, rows)
        connection.execute(_delete, parameters)
    return len(rows)


def _purge(connection: Connection, chosen: Chosen) -> int:
    return connection.execute(_delete, {"of": chosen.queue, "ids": numbers(chosen.ids)}).rowcount


Item = TypeVar("Item")


def _each(work: Callable[[Connection, Item], Answer]) -> Callable[[Connection, Sequence[Item]], Sequence[Answer]]:
    return lambda connection, items: [work(connection, item) for item in items]


LISTING: Step[Oldest, Sequence[DeadLetter]] = Step(_each(_listing), writes=False)
IDS: Step[str, Sequence[int]] = Step(_each(_all), writes=False)
REPLAY: Step[Chosen, int] = Step(_each(_replay), durable=True)
PURGE: Step[Chosen, int] = Step(_each(_purge), durable=True)
