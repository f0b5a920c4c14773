"""What is SQLite's own in the store: the file, its locks, its disk."""

import asyncio
import resource
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from cart_platform.cart import AddItem
from cart_platform.errors import CartscopeError, Unavailable, UsageError
from cart_platform.events import Event
from cart_platform.handler import UnitOfWork
from cart_platform.store import Origin
from cart_platform.store.sql import SqlStore
from cart_platform.store.sql import database as sql_database
from support.polling import eventually


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "store.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqlStore]:
    """A started store."""
    store = SqlStore(f"sqlite:///{file}")
    await store.start()
    yield store
    await store.close()


async def add(store: SqlStore, cart: str = "cart", product: str = "milk") -> Event:
    """The event of one command."""
    return (await store.execute(AddItem(cart, product, 1), Origin())).event


async def logged(store: SqlStore) -> list[str]:
    """The ids of all events."""
    return [recorded.event.id async for recorded in store.log()]


async def pragma(store: SqlStore, text: str) -> object:
    """What a pragma answers on the store's own connection."""

    def ask(connection: Connection) -> object:
        return connection.exec_driver_sql(f"PRAGMA {text}").scalar()

    return await store._database.read(ask)


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/file", "postgresql://host/name", "store.db", ""],
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    """Where the store is must be a file, and the refusal says how to write it."""
    with pytest.raises(UsageError, match=r"sqlite:///FILE"):
        SqlStore(url)


def test_a_password_in_a_wrong_url_is_not_repeated() -> None:
    """The refusal of another database's URL hides its password."""
    with pytest.raises(UsageError) as refused:
        SqlStore("postgresql://user:secret@host/name")
    assert "secret" not in str(refused.value)


async def test_a_relative_file_is_made_where_the_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes name a file of the working folder."""
    monkeypatch.chdir(tmp_path)
    store = SqlStore("sqlite:///relative store.db")
    await store.start()
    await store.close()
    assert (tmp_path / "relative store.db").exists()


@pytest.fixture
def shopping_list(file: Path) -> bytes:
    """What the file holds already, no database."""
    text = b"shopping list: milk\n" * 100
    file.write_bytes(text)
    return text


async def test_a_file_of_something_else_is_left_alone(file: Path, shopping_list: bytes) -> None:
    """A file that is no database is refused by one line that names it, and is not changed."""
    with pytest.raises(CartscopeError, match=r"store\.db.*not a SQLite database") as refused:
        await SqlStore(f"sqlite:///{file}").start()
    assert "\n" not in str(refused.value)
    with file.open("rb") as kept:
        assert shopping_list == kept.read()


@pytest.mark.parametrize("place", ["missing/store.db", "."])
async def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path, place: str) -> None:
    """A missing folder, or a folder in the file's place, is named together with what to check."""
    with pytest.raises(CartscopeError, match="check that its folder exists") as refused:
        await SqlStore(f"sqlite:///{tmp_path / place}").start()
    assert "\n" not in str(refused.value)


async def test_tables_of_another_release_are_refused(store: SqlStore, file: Path) -> None:
    """A store whose tables have another version is not touched."""
    await store.close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE store_settings SET value = 99 WHERE name = 'schema'")
    with pytest.raises(CartscopeError, match="another release"):
        await store.start()


async def test_every_commit_is_on_the_disk(store: SqlStore) -> None:
    """The file is in WAL mode and synced at each commit: that is the promise of the outbox."""
    assert ("wal", 2) == (await pragma(store, "journal_mode"), await pragma(store, "synchronous"))


async def test_a_full_disk_loses_nothing(store: SqlStore) -> None:
    """While the disk is full commands are Unavailable with one line; reading goes on, and so do commands after."""
    kept = [(await add(store)).id]
    await pragma(store, f"max_page_count = {await pragma(store, 'page_count')}")
    answers = await asyncio.gather(*(add(store, f"cart-{n}", "p" * 64) for n in range(500)), return_exceptions=True)
    [text] = {str(answer) for answer in answers if isinstance(answer, Unavailable)}
    assert "free some space" in text
    assert "\n" not in text
    kept += [answer.id for answer in answers if isinstance(answer, Event)]
    assert kept == await logged(store)
    await pragma(store, "max_page_count = 1000000")
    kept.append((await add(store)).id)
    assert kept == await logged(store)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The operating system refuses this process what is written beyond a size in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_fails_loses_nothing(store: SqlStore, file: Path) -> None:
    """When the system refuses a write, the commit is refused whole; when it takes writes again, so does the store."""
    kept = [(await add(store)).id]
    log = file.with_name("store.db-wal")
    with no_file_larger_than(log.stat().st_size + 100_000):
        answers = await asyncio.gather(*(add(store, f"cart-{n}") for n in range(1_500)), return_exceptions=True)
        refused = sum(isinstance(answer, Unavailable) for answer in answers)
    kept += [answer.id for answer in answers if isinstance(answer, Event)]
    assert refused > 0
    assert len(answers) == refused + len(kept) - 1
    assert set(kept) == set(await logged(store))
    kept.append((await add(store)).id)
    assert len(kept) == (await store.depth()).pending


async def test_a_writer_waits_for_its_turn(store: SqlStore, file: Path) -> None:
    """While another process writes, commands wait and reading goes on; when it is done, they are committed."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert [] == await logged(store)
        waiting = asyncio.ensure_future(add(store))
        await asyncio.wait([waiting], timeout=0)
        assert not waiting.done()
        holder.execute("COMMIT")
        event = await waiting
    assert [event.id] == await logged(store)


async def test_a_lock_that_is_held_for_long_is_unavailable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not get its turn in time says so in one line, and works when it does."""
    monkeypatch.setattr(sql_database, "BUSY_SECONDS", 0.05)
    store = SqlStore(f"sqlite:///{file}")
    await store.start()
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="another process holds it"):
            await add(store)
        with pytest.raises(Unavailable, match="another process holds it"):
            await SqlStore(f"sqlite:///{file}").start()
        holder.execute("COMMIT")
    event = await add(store)
    assert [event.id] == await logged(store)
    await store.close()


START = """
import asyncio, sys
from cart_platform.cart import AddItem
from cart_platform.store import Origin
from cart_platform.store.sql import SqlStore

async def main():
    store = SqlStore(sys.argv[1])
    await store.start()
    for number in range(50):
        await store.execute(AddItem("cart", "milk", 1), Origin())
    await store.close()

asyncio.run(main())
"""


async def test_processes_that_start_at_once_share_a_file(file: Path) -> None:
    """Four processes make the same file at the same time, and all their commands are in it."""
    url = f"sqlite:///{file}"
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", START, url) for _ in range(4)]
    assert [0] * 4 == [await process.wait() for process in processes]
    store = SqlStore(url)
    await store.start()
    cart = await store.cart("cart")
    assert cart is not None
    assert 200 == cart.version == cart.units == len(await logged(store))
    await store.close()


async def test_trim_forgets_more_than_one_transaction_takes(file: Path) -> None:
    """A long log, its results and its keys are forgotten to the last row, expired claims with them."""
    store = SqlStore(f"sqlite:///{file}", retention=timedelta(0))
    await store.start()
    commands = [AddItem(f"cart-{number}", "milk", 1) for number in range(2_500)]
    executions = await asyncio.gather(*(store.execute(command, Origin(), "key") for command in commands))
    events = [execution.event for execution in executions]
    units = [UnitOfWork(event, "popularity", store.read) for event in events]
    for unit in units:
        unit.finish(None)
    await store.commit("popularity", units)
    await store.begin("notification", events[:10], "worker", 0.0)
    await store.mark_sent(await store.pending(range(store.shards), 10_000))
    assert 2_500 == await store.trim()
    assert [] == await logged(store)
    assert [0] * 4 == [rows(file, table) for table in ("events", "results", "idempotency_keys", "claims")]
    await store.close()


def rows(file: Path, table: str) -> int:
    """How many rows a table has."""
    with closing(sqlite3.connect(file)) as connection:
        [[number]] = connection.execute(f"SELECT count(*) FROM {table}")
        return int(number)


async def test_positions_do_not_come_back(file: Path) -> None:
    """After everything was forgotten, what a late relay marks is not another event."""
    store = SqlStore(f"sqlite:///{file}", retention=timedelta(0))
    await store.start()
    await add(store)
    old = await store.pending(range(store.shards), 10)
    await store.mark_sent(old)
    assert 1 == await store.trim()
    event = await add(store)
    await store.mark_sent(old)
    assert [event.id] == [entry.event.id for entry in await store.pending(range(store.shards), 10)]
    await store.close()


async def test_the_loop_goes_on_while_the_disk_works(store: SqlStore, file: Path) -> None:
    """A commit that waits for its turn holds up its own thread, not the event loop."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(add(store))
        turns = 0

        def turned() -> bool:
            nonlocal turns
            turns += 1
            return turns > 3

        await eventually(turned)
        assert not waiting.done()
        holder.execute("COMMIT")
        await waiting
