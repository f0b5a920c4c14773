"""The tables of the SQL store, and the one construct in which SQL dialects differ here.

Positions of events grow, but a database with concurrent writers may commit them out of order: what is unsent is
therefore flagged on the event and found by a partial index, never by a cursor.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.sqlite import insert as upsert

__all__ = ["upsert"]  # the PostgreSQL dialect's insert has the same methods

VERSION = 1
"""Version of these tables; a store made by another one is refused."""

metadata = MetaData()

_Position = BigInteger().with_variant(Integer, "sqlite")

settings = Table(
    "store_settings",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)

carts = Table(
    "carts",
    metadata,
    Column("id", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# AUTOINCREMENT: a position that was trimmed away must not come back for another event.
events = Table(
    "events",
    metadata,
    Column("position", _Position, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("shard", Integer, nullable=False),
    Column("time", Float, nullable=False),
    Column("sent", Boolean, nullable=False, server_default=false()),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
unsent = events.c.sent == false()
Index("events_unsent", events.c.shard, events.c.position, sqlite_where=unsent, postgresql_where=unsent)

# `name` is cart and key in one column: looking up many pairs by two lists would try each cart with each key.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("position", _Position, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("fingerprint", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("time", Float, nullable=False),
)

# One row for an event and handler; `given_up` stays true when a dead-lettered one is done after all.
results = Table(
    "results",
    metadata,
    Column("position", _Position, primary_key=True),
    Column("event_id", String, nullable=False),
    Column("handler", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("given_up", Boolean, nullable=False),
    Column("time", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("event_id", "handler"),
)

claims = Table(
    "claims",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("handler", String, primary_key=True),
    Column("claimant", String, nullable=False),
    Column("until", Float, nullable=False),
    sqlite_with_rowid=False,
)

projections = Table(
    "projections",
    metadata,
    Column("projection", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

counters = Table(
    "counters",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("total", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("relay", String),
    Column("until", Float, nullable=False),
)

relays = Table(
    "relays",
    metadata,
    Column("name", String, primary_key=True),
    Column("until", Float, nullable=False),
)
