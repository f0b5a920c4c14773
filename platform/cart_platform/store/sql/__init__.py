"""The store on SQL: SQLite, through SQLAlchemy."""

from cart_platform.store.sql.store import SqlStore

__all__ = ["SqlStore"]
