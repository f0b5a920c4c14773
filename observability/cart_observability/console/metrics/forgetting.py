"""Lets go of samples that are old, in steps that are short, for the writer's thread."""

import sqlite3
from itertools import pairwise
from typing import Final

from cart_observability.console.metrics.extents import LATEST, available, first_slot, known
from cart_observability.console.metrics.tiers import MINUTES, TEN_SECONDS, TIERS, Tier

__all__ = ("expire", "oldest", "prune", "prune_before", "room")

ROW_BYTES: Final = 16
"""What a sample takes in the file beside its value."""


def expire(connection: sqlite3.Connection, now: int) -> bool:
    """Forget one slot of a finer tier that is there in a coarser one and old enough; answers whether there was one."""
    made = known(connection)
    for tier, coarser in pairwise(TIERS):
        assert tier.kept is not None
        slot = first_slot(connection, tier)
        if slot is not None and (slot + 1) * tier.slot <= min(now - tier.kept, made[coarser.number]):
            connection.execute("DELETE FROM samples WHERE tier = ? AND slot = ?", (tier.number, slot))
            return True
    return False


def oldest(connection: sqlite3.Connection) -> int | None:
    """The time of the oldest kept sample; None without samples."""
    return min((first for tier in TIERS if (first := _first(connection, tier)) is not None), default=None)


def _first(connection: sqlite3.Connection, tier: Tier) -> int | None:
    """The time of a tier's first sample: its slot may begin much earlier."""
    slot = first_slot(connection, tier)
    if slot is None:
        return None
    (at,) = connection.execute(
        "SELECT min(at) FROM samples WHERE tier = ? AND slot = ?", (tier.number, slot)
    ).fetchone()
    return tier.time(slot, at)


def prune(connection: sqlite3.Connection, rows: int) -> int:
    """Forget about so many of the oldest samples, or all; the number forgotten."""
    starts = available(connection)
    if min(starts) == LATEST:
        return 0
    ends = [start + tier.slot for tier, start in zip(TIERS, starts, strict=True) if start == min(starts)]
    return prune_before(connection, max(ends), rows)


def prune_before(connection: sqlite3.Connection, time: int, rows: int) -> int:
    """Forget about so many of the samples and exemplars of slots that end before a time; the number forgotten."""
    forgotten = 0
    for tier in reversed(TIERS):
        while forgotten < rows and (slot := first_slot(connection, tier)) is not None:
            if (slot + 1) * tier.slot > time:
                break
            forgotten += _delete(connection, tier, slot, rows - forgotten)
    if forgotten < rows:
        forgotten += _forget_companions(connection, time)
    return forgotten


def room(connection: sqlite3.Connection) -> int:
    """About how many bytes samples take; all of them are looked at, so it is not to be asked often."""
    (bytes_,) = connection.execute(
        "SELECT coalesce(sum(CASE typeof(value) WHEN 'blob' THEN length(value) ELSE 8 END + ?), 0) FROM samples",
        (ROW_BYTES,),
    ).fetchone()
    return int(bytes_)


def _delete(connection: sqlite3.Connection, tier: Tier, slot: int, rows: int) -> int:
    (last,) = connection.execute(
        "SELECT max(series) FROM (SELECT series FROM samples WHERE tier = ? AND slot = ? LIMIT ?)",
        (tier.number, slot, rows),
    ).fetchone()
    return connection.execute(
        "DELETE FROM samples WHERE tier = ? AND slot = ? AND series <= ?", (tier.number, slot, last)
    ).rowcount


def _forget_companions(connection: sqlite3.Connection, time: int) -> int:
    """The exemplars of a slot before a time, and the series of which nothing is left."""
    first = "SELECT min(slot) FROM exemplars"
    forgotten = connection.execute(
        f"DELETE FROM exemplars WHERE slot = ({first}) AND slot < ?",  # noqa: S608  a constant
        (time // TEN_SECONDS.slot,),
    ).rowcount
    # Last seen before the oldest slot of the widest.
    connection.execute("DELETE FROM series WHERE seen < ?", (time // MINUTES.slot * MINUTES.slot,))
    return forgotten
