"""The file of the bus: a SQLite database in WAL mode, opened with one connection."""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from cart_platform.bus.sql.schema import VERSION, metadata
from cart_platform.errors import CartscopeError, Unavailable, UsageError

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process that writes to the same file before it gives up."""

DATABASE_ERRORS = (DatabaseError, sqlite3.DatabaseError)
"""What SQLAlchemy and the driver raise when the file does not do its part."""

_ADVICE = {
    "SQLITE_BUSY": (Unavailable, "another process holds it for long: try again"),
    "SQLITE_FULL": (Unavailable, "its disk is full: free some space"),
    "SQLITE_CANTOPEN": (CartscopeError, "check that its folder exists and that you may write there"),
    "SQLITE_CORRUPT": (CartscopeError, "it is damaged: restore it from a copy, or choose another file"),
    "SQLITE_NOTADB": (CartscopeError, "it is not a SQLite database: choose another file"),
    "SQLITE_READONLY": (CartscopeError, "make the file and its folder writable"),
}


def file_url(text: str) -> URL:
    """The URL of a file, as `sqlite:///relative` or `sqlite:////absolute`; raises UsageError for anything else."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError(f"{text!r} is no bus URL: use sqlite:///FILE") from None
    if url.drivername != "sqlite" or url.host or url.database in (None, "", ":memory:"):
        raise UsageError(f"{url.render_as_string()} names no file: use sqlite:///FILE, or sqlite:////FOLDER/FILE")
    return url


def open_file(url: URL) -> Connection:
    """Open the file, making it and its tables if need be.

    Raises:
        CartscopeError: when it was made by another version of Cartscope.
        DATABASE_ERRORS: when it cannot be used; `explain` says why.
    """
    engine = create_engine(url, pool_size=1, max_overflow=0, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    # SQLite does not wait by itself while another process turns the file to WAL mode.
    connection: Connection = Retrying(
        retry=retry_if_exception(_is_busy), stop=stop_after_delay(BUSY_SECONDS), wait=wait_random(0, 0.1), reraise=True
    )(engine.connect)
    try:
        with connection.begin():
            _prepare(connection, url)
    except BaseException:
        close_file(connection)
        raise
    return connection


def close_file(connection: Connection) -> None:
    """Close the connection and the file."""
    connection.close()
    connection.engine.dispose()


def data_version(connection: Connection) -> int:
    """A number that changes with every commit of another connection to the file, never with one of this."""
    [version] = driver(connection).execute("PRAGMA data_version").fetchone()
    return int(version)


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def explain(error: Exception, url: URL) -> CartscopeError:
    """One clear line about what went wrong with the file; Unavailable where trying again may help."""
    kind, advice = _ADVICE.get(_kind(error), (Unavailable, "check its disk, and try again"))
    return kind(f"cannot use the bus {url.database} ({getattr(error, 'orig', error)}): {advice}")


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    # The driver would begin transactions late and without the write lock; `_begin` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    # A transaction that starts by reading and then writes may fail at once when another process wrote in between.
    # By the driver: SQLAlchemy's way costs more than the statement.
    driver(connection).execute("BEGIN IMMEDIATE" if connection.info.get("writes", True) else "BEGIN")


def _prepare(connection: Connection, url: URL) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version not in (0, VERSION):
        raise CartscopeError(
            f"the bus {url.database} was made by another version of Cartscope ({version}, not {VERSION}): "
            "choose another file, or empty its queues with that version"
        )
    metadata.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def _is_busy(error: BaseException) -> bool:
    return _kind(error) == "SQLITE_BUSY"


def _kind(error: BaseException) -> str:
    """SQLite's name of the primary error code, as SQLITE_IOERR for SQLITE_IOERR_WRITE."""
    return "_".join(getattr(getattr(error, "orig", error), "sqlite_errorname", "").split("_")[:2])
