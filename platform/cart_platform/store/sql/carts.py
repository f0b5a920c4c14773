"""Carts in SQL: a batch of commands executed in one transaction, and what a cart is.

The rows that are read stay locked until the end of the transaction, and a cart or an idempotency key that two
processes make at once meets its unique constraint: a decision is only ever written to the cart it was made on.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from cart_platform.cart import Cart
from cart_platform.store import Execution, home_of
from cart_platform.store.decisions import Appended, Asked, Decision, Remembered, by_cart, decide
from cart_platform.store.sql.log import append, count
from cart_platform.store.sql.schema import carts, events, idempotency_keys

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Cart)

_READ = (
    select(carts.c.id, carts.c.body)
    .where(carts.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(carts.c.id)
    .with_for_update()
)
_CREATE = insert(carts).values(id=bindparam("cart"), body=bindparam("body"))
_CHANGE = update(carts).where(carts.c.id == bindparam("cart")).values(body=bindparam("body"))
_REMEMBERED = (
    select(idempotency_keys.c.name, idempotency_keys.c.fingerprint, events.c.body)
    .join(events, events.c.id == idempotency_keys.c.event_id)
    .where(idempotency_keys.c.name.in_(bindparam("names", expanding=True)))
)
_REMEMBER = insert(idempotency_keys)


def execute(connection: Connection, batch: Sequence[Asked], shards: int) -> Sequence[Execution | Exception]:
    """Decide the batch and write what it brings about; an answer for each command, in order."""
    positions = by_cart(batch)
    known = read(connection, positions)
    remembered = _remembered(connection, batch)
    answers: dict[int, Execution | Exception] = {}
    decisions: list[Decision] = []
    for cart, places in positions.items():
        decision = decide(known.get(cart) or Cart(cart), [batch[place] for place in places], remembered[cart])
        answers.update(zip(places, decision.answers, strict=True))
        decisions.append(decision)
    _write(connection, [decision for decision in decisions if decision.appended], shards)
    return [answers[place] for place in range(len(batch))]


def read(connection: Connection, ids: Collection[str]) -> dict[str, Cart]:
    """Those of the carts that exist, locked where the transaction writes."""
    return {row.id: _decoder.decode(row.body) for row in connection.execute(_READ, {"ids": list(ids)})}


def _remembered(connection: Connection, batch: Iterable[Asked]) -> dict[str, dict[str, Remembered]]:
    remembered: dict[str, dict[str, Remembered]] = defaultdict(dict)
    names = {_key_name(asked) for asked in batch if asked.key is not None}
    if names:
        for row in connection.execute(_REMEMBERED, {"names": list(names)}):
            cart, _, key = row.name.partition(" ")
            remembered[cart][key] = Remembered(row.fingerprint, row.body)
    return remembered


def _write(connection: Connection, decisions: Sequence[Decision], shards: int) -> None:
    bodies = [
        (decision.version, {"cart": decision.cart.id, "body": _encoder.encode(decision.cart)}) for decision in decisions
    ]
    created = [row for version, row in bodies if not version]
    changed = [row for version, row in bodies if version]
    appended = [entry for decision in decisions for entry in decision.appended]
    keys = [_key_row(entry) for entry in appended if entry.asked.key is not None]
    for statement, rows in ((_CREATE, created), (_CHANGE, changed), (_REMEMBER, keys)):
        if rows:
            connection.execute(statement, rows)
    entries = [(home_of(entry.event, shards), entry.event, entry.body) for entry in appended]
    count(connection, append(connection, entries))


def _key_name(asked: Asked) -> str:
    """The cart's name has no space, the key may have."""
    return f"{asked.command.cart} {asked.key}"


def _key_row(appended: Appended) -> dict[str, object]:
    return {
        "name": _key_name(appended.asked),
        "fingerprint": appended.asked.fingerprint,
        "event_id": appended.event.id,
        "time": appended.event.time.timestamp(),
    }
