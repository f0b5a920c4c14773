"""The embedded bus on one SQLite file: for one process or several on one machine."""

from cart_platform.bus.sql.bus import SqlBus

__all__ = ["SqlBus"]
