"""What there is of each tier of samples: from when on, and until when."""

import sqlite3

from cart_observability.console.metrics.tiers import TIERS, Tier

LATEST = (1 << 63) - 1
"""Later than any time."""


def known(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Until when each tier is made, the finest first, which is made at once."""
    until = dict(connection.execute("SELECT tier, until FROM condensed"))
    return tuple(until.get(tier.number, 0) for tier in TIERS)


def available(connection: sqlite3.Connection) -> tuple[int, ...]:
    """From when on each tier is there, the finest first; the end of time where it is empty."""
    slots = ((tier, first_slot(connection, tier)) for tier in TIERS)
    return tuple(LATEST if slot is None else tier.time(slot, 0) for tier, slot in slots)


def end(connection: sqlite3.Connection) -> int:
    """Until when anything may be there; 0 where nothing is."""
    asked = "SELECT slot FROM samples WHERE tier = ? ORDER BY slot DESC LIMIT 1"
    last = ((tier, connection.execute(asked, (tier.number,)).fetchone()) for tier in TIERS)
    return max((tier.time(row[0] + 1, 0) for tier, row in last if row), default=0)


def first_slot(connection: sqlite3.Connection, tier: Tier, least: int = 0) -> int | None:
    """The first slot of a tier, from one on, that has samples."""
    row = connection.execute(
        "SELECT slot FROM samples WHERE tier = ? AND slot >= ? ORDER BY slot LIMIT 1", (tier.number, least)
    ).fetchone()
    return None if row is None else int(row[0])
