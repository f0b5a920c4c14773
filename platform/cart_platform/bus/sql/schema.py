"""The tables of the embedded bus.

A message has a row for each queue it was routed to. Its `holder` says who has it: `READY` nobody; `DELAYED` nobody
until `available_at`; else the bus instance that leased it, alive as long as its row in `holders` says.
"""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, text

VERSION = 1
"""Version of these tables, the file's `user_version`; a file of another one is refused."""

READY = 0
DELAYED = -1

metadata = MetaData()


def _content() -> list[Column[object]]:
    return [
        Column("queue", String, nullable=False),
        Column("routing_key", String, nullable=False),
        Column("message_id", String),
        Column("content_type", String),
        Column("headers", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("failures", LargeBinary),
    ]


# AUTOINCREMENT: an ack that comes late must not meet another message under the same id.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    *_content(),
    Column("holder", Integer, nullable=False, server_default=text(str(READY))),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("deliveries", Integer, nullable=False, server_default=text("0")),
    Column("available_at", Float),
    sqlite_autoincrement=True,
)
Index("messages_of_queue", messages.c.queue, messages.c.holder)
Index("messages_delayed", messages.c.available_at, sqlite_where=messages.c.available_at.is_not(None))

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True),
    *_content(),
    Column("attempts", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("time", String, nullable=False),
    sqlite_autoincrement=True,
)
Index("dead_letters_of_queue", dead_letters.c.queue)

# A binding with a holder leads to a listener's queue and ends with that holder.
bindings = Table(
    "bindings",
    metadata,
    Column("exchange", String, primary_key=True),
    Column("routing_key", String, primary_key=True),
    Column("queue", String, primary_key=True),
    Column("holder", Integer),
    sqlite_with_rowid=False,
)

holders = Table(
    "holders",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("until", Float, nullable=False),
)
