"""The store in a SQL database: a SQLite file. See `Store` for what each method promises."""

import time
from collections.abc import AsyncIterator, Awaitable, Sequence, Sized
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Table, select

from cart_platform.cart import Cart, Command
from cart_platform.errors import CartscopeError
from cart_platform.events import Event
from cart_platform.handler import Result, UnitOfWork
from cart_platform.store import (
    Depth,
    Execution,
    Measure,
    Origin,
    Pending,
    Recorded,
    Standing,
    Totals,
    home_of,
)
from cart_platform.store.decisions import Asked, ask
from cart_platform.store.group_commit import GroupCommit
from cart_platform.store.sql import carts, effects, log, outbox, schema
from cart_platform.store.sql.database import Database
from cart_platform.store.sql.effects import Finished
from cart_platform.store.sql.schema import settings, upsert

Items = TypeVar("Items", bound=Sized)

BATCH_COMMANDS = 500
BATCH_COMMITS = 100
PAGE_EVENTS = 500


class SqlStore:
    """Carts, events and effects in one SQLite file (`sqlite:///FILE`), which several processes may use at once.

    `limit` bounds the commands, and the calls of `commit`, that wait in this process. `measure` is told of each
    transaction of the operations execute, commit, begin, pending and mark_sent.
    """

    def __init__(
        self,
        url: str,
        *,
        shards: int = 8,
        retention: timedelta = timedelta(days=7),
        limit: int = 10_000,
        measure: Measure | None = None,
    ) -> None:
        self.shards = shards
        self._retention = retention.total_seconds()
        self._measure = measure or _unmeasured
        self._database = Database(url)
        self._commands = GroupCommit(self._execute, limit, BATCH_COMMANDS)
        self._commits = GroupCommit(self._commit, limit, BATCH_COMMITS)

    async def start(self) -> None:
        """Open the file, making it and its tables if need be."""
        await self._database.open(partial(_prepare, shards=self.shards))
        self._commands.start()
        self._commits.start()

    async def close(self) -> None:
        """Finish the commits under way, then close the file."""
        await self._commands.close()
        await self._commits.close()
        await self._database.close()

    async def ping(self) -> None:
        """See that the file can be read."""
        await self._database.read(log.totals)

    async def execute(self, command: Command, origin: Origin, idempotency_key: str | None = None) -> Execution:
        """In one transaction with the commands that arrive while another is under way."""
        return await self._commands.submit(ask(command, origin, idempotency_key))

    async def cart(self, cart: str) -> Cart | None:
        """The cart as last committed."""
        return (await self._database.read(carts.read, [cart])).get(cart)

    async def event(self, event_id: str) -> Recorded | None:
        """The event and its results from one snapshot."""
        return await self._database.read(log.recorded, event_id)

    async def pending(self, shards: Sequence[int], limit: int) -> Sequence[Pending]:
        """The oldest of all these shards; costs the same however long the log is."""
        return await self._timed("pending", self._database.read(outbox.pending, shards, limit))

    async def mark_sent(self, pending: Sequence[Pending]) -> None:
        """All in one transaction; an event that was marked before is not counted again."""
        await self._timed("mark_sent", self._database.write(outbox.mark_sent, pending))

    async def depth(self) -> Depth:
        """Costs as much as there is unsent, however long the log is."""
        return await self._database.read(outbox.depth, time.time())

    async def hold_shards(self, relay: str, lease: float) -> Sequence[int]:
        """Leases are measured by this machine's clock."""
        return await self._database.write(outbox.hold_shards, relay, time.time(), lease)

    async def release_shards(self, relay: str) -> None:
        """The shards are free and the relay is not counted any more when others ask for their share."""
        await self._database.write(outbox.release_shards, relay)

    async def begin(
        self, handler: str, events: Sequence[Event], claimant: str | None = None, lease: float = 0.0
    ) -> Sequence[Standing]:
        """Without a claimant nothing is written. Leases are measured by this machine's clock."""
        access = self._database.read if claimant is None else self._database.write
        names = [event.id for event in events]
        look = access(effects.begin, handler, names, claimant, time.time(), lease)
        return await self._timed("begin", look)

    async def release(self, handler: str, events: Sequence[Event], claimant: str) -> None:
        """Claims of others stay."""
        await self._database.write(effects.release, handler, [event.id for event in events], claimant)

    async def read(self, projection: str, key: str) -> int:
        """The total as last committed."""
        return await self._database.read(effects.total, projection, key)

    async def commit(self, handler: str, units: Sequence[UnitOfWork]) -> Sequence[Result]:
        """In one transaction with the units, of other handlers too, that arrive while another is under way."""
        finished = [Finished.of(handler, unit, home_of(unit.event, self.shards)) for unit in units]
        return await self._commits.submit(finished) if finished else []

    async def record_dead_letter(self, event: Event, result: Result) -> None:
        """Changes nothing when the event was done."""
        await self._database.write(effects.record_dead_letter, event.id, result)

    async def top(self, projection: str, limit: int) -> Sequence[tuple[str, int]]:
        """Costs as much as the projection has keys."""
        return await self._database.read(effects.top, projection, limit)

    async def totals(self) -> Totals:
        """Counted in the transactions that changed them."""
        return await self._database.read(log.totals)

    async def log(self) -> AsyncIterator[Recorded]:
        """Read in pages, each a snapshot of its own; what is appended meanwhile comes last or not at all."""
        position, page = await self._database.read(log.page, 0, PAGE_EVENTS)
        while page:
            for recorded in page:
                yield recorded
            position, page = await self._database.read(log.page, position, PAGE_EVENTS)

    async def trim(self) -> int:
        """Forget in small transactions, so that other work gets its turn in between."""
        now = time.time()
        forgotten = {table: await self._forget(table, now - self._retention) for table in log.FORGETTABLE}
        await self._database.write(log.forget_claims, now)
        return forgotten[schema.events]

    async def _forget(self, table: Table, before: float) -> int:
        total = 0
        after: int | None = 0
        while after is not None:
            forgotten, after = await self._database.write(log.forget, table, before, after)
            total += forgotten
        return total

    async def _execute(self, batch: Sequence[Asked]) -> Sequence[Execution | Exception]:
        return await self._timed("execute", self._database.write(carts.execute, batch, self.shards))

    async def _commit(self, batch: Sequence[Sequence[Finished]]) -> Sequence[Sequence[Result]]:
        units = [unit for finished in batch for unit in finished]
        standing = iter(await self._timed("commit", self._database.write(effects.commit, units)))
        return [list(islice(standing, len(finished))) for finished in batch]

    async def _timed(self, operation: str, work: Awaitable[Items]) -> Items:
        begun = time.perf_counter()
        items = await work
        self._measure(operation, time.perf_counter() - begun, len(items))
        return items


def _prepare(connection: Connection, shards: int) -> None:
    """Make the tables that are missing, and hold this store's settings against those it was made with."""
    schema.metadata.create_all(connection)
    wanted = {"schema": schema.VERSION, "shards": shards}
    rows = [{"name": name, "value": value} for name, value in wanted.items()]
    connection.execute(upsert(settings).on_conflict_do_nothing(), rows)
    kept = {row.name: row.value for row in connection.execute(select(settings))}
    file = connection.engine.url.database
    if kept["schema"] != wanted["schema"]:
        raise CartscopeError(f"the store {file} was made by another release: choose another file, or that release")
    if kept["shards"] != shards:
        text = f"the store {file} was made with {kept['shards']} shards, not {shards}"
        raise CartscopeError(f"{text}: set the number of shards to {kept['shards']}, or choose another file")
    outbox.make_shards(connection, shards)


def _unmeasured(_operation: str, _seconds: float, _items: int) -> None:
    """Measure nothing."""
