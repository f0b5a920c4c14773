"""One SQL database, worked on from one thread of its own, so that the event loop never waits for a disk."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, ProgrammingError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from cart_platform.errors import CartscopeError, Unavailable, UsageError

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process that writes to the same file before it gives up."""

_TRANSIENT = {
    "SQLITE_BUSY": "another process holds it for long: try again",
    "SQLITE_FULL": "its disk is full: free some space",
    "SQLITE_IOERR": "its disk does not take or give the data: check its space and health",
}
_UNUSABLE = {
    "SQLITE_CANTOPEN": "check that its folder exists and that you may write there",
    "SQLITE_CORRUPT": "it is damaged: restore it from a copy",
    "SQLITE_NOTADB": "it is not a SQLite database: choose another file",
    "SQLITE_READONLY": "make the file and its folder writable",
}


class Database:
    """A SQLite file in WAL mode; each commit is on the disk before it is reported (`synchronous=FULL`).

    Several processes may use one file: writers take turns. Anything the database does not do raises Unavailable, or
    CartscopeError where trying again cannot help.
    """

    def __init__(self, url: str) -> None:
        self._url = _file_url(url)
        self._thread: ThreadPoolExecutor | None = None
        self._engine: Engine | None = None

    async def open(self, prepare: Callable[[Connection], T]) -> T:
        """Open the file, making it if need be, and run the first transaction on it."""
        self._engine = _engine(self._url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
        try:
            return await self._run(lambda engine: _patiently(engine, prepare))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let the work under way end and close the file; may be called twice, or on what never opened."""
        thread, self._thread = self._thread, None
        engine, self._engine = self._engine, None
        if thread is not None and engine is not None:
            await asyncio.get_running_loop().run_in_executor(thread, engine.dispose)
            thread.shutdown()

    async def write(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do the work in one transaction that keeps other writers out; all of it is committed, or nothing."""
        return await self._run(lambda engine: _transaction(engine, work, *arguments, **options))

    async def read(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do the work on one snapshot of the database; writers are not kept out."""
        return await self._run(
            lambda engine: _transaction(engine.execution_options(read_only=True), work, *arguments, **options)
        )

    async def _run(self, work: Callable[[Engine], T]) -> T:
        thread, engine = self._thread, self._engine
        if thread is None or engine is None:
            raise Unavailable(f"the store {self._url.database} is not open")
        with self._one_clear_line():
            return await asyncio.get_running_loop().run_in_executor(thread, work, engine)

    @contextmanager
    def _one_clear_line(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, ProgrammingError):
            raise
        except DatabaseError as error:
            kind = _kind(error.orig)
            text = f"cannot use the store {self._url.database} ({error.orig})"
            if kind in _UNUSABLE:
                raise CartscopeError(f"{text}: {_UNUSABLE[kind]}") from error
            raise Unavailable(f"{text}: {_TRANSIENT.get(kind, 'try again')}") from error


def _file_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError(f"{text!r} is no store URL: use sqlite:///FILE") from None
    if url.drivername != "sqlite" or url.host or url.database in (None, "", ":memory:"):
        raise UsageError(f"{url.render_as_string()} names no file: use sqlite:///FILE, or sqlite:////FOLDER/FILE")
    return url


def _engine(url: URL) -> Engine:
    engine = create_engine(url, pool_size=1, max_overflow=0, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    # The driver would begin transactions late and without the write lock; `_begin` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    # A transaction that starts by reading and then writes may fail at once when another process wrote in between.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _transaction(
    engine: Engine, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs
) -> T:
    with engine.begin() as connection:
        return work(connection, *arguments, **options)


def _patiently(engine: Engine, prepare: Callable[[Connection], T]) -> T:
    """The first transaction; SQLite does not wait by itself while another process turns the file to WAL mode."""
    patience = Retrying(
        retry=retry_if_exception(_is_busy), stop=stop_after_delay(BUSY_SECONDS), wait=wait_random(0, 0.1), reraise=True
    )
    return patience(lambda: _transaction(engine, prepare))


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, DatabaseError) and _kind(error.orig) == "SQLITE_BUSY"


def _kind(error: BaseException | None) -> str:
    """SQLite's name of the primary error code, as SQLITE_IOERR for SQLITE_IOERR_WRITE."""
    name = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])
