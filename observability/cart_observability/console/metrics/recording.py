"""Records what scrapes of a process show, as far as it is not known already."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cart_observability.console import bulk
from cart_observability.console.metrics.series import GAUGE, GONE, UP, Parts, Stored, packed, unpacked
from cart_observability.console.metrics.tiers import SCRAPES, TEN_SECONDS, TIERS
from cart_observability.console.metrics.tracks import Identity, Place, SampleName, Track, placed
from cart_observability.console.records import Family

START_TIME: Final = "process_start_time_seconds"
SAME_LIFE_SECONDS: Final = 1.0
"""Start times that differ by less are of one life of a process: some compute theirs anew for each scrape."""

_KNOWN: Final = "SELECT id, base, seen FROM series WHERE name = ? AND process = ? AND labels = ? AND bounds = ?"
# Whole, not as a change alone: the series may have been pruned meanwhile, and its row with it.
_NOTE: Final = "INSERT INTO series (name, process, labels, bounds, kind, id, base, seen)"
_NOTED: Final = "ON CONFLICT (id) DO UPDATE SET base = excluded.base, seen = excluded.seen"
_DESCRIBE: Final = "INSERT OR REPLACE INTO metrics (name, kind, about) VALUES (?, ?, ?)"
_STORE: Final = "INSERT OR REPLACE INTO samples (tier, slot, series, at, value)"
_STORE_MISSING: Final = "INSERT OR IGNORE INTO samples (tier, slot, series, at, value)"
_STORE_EXEMPLAR: Final = "INSERT OR IGNORE INTO exemplars (slot, series, time, value, trace_id, span_id)"

Row = tuple[int, int, int, int, Stored]


class Recorder:
    """Records the scrapes of one process, one after the other, on the writer's thread.

    It keeps in mind what the file has of the process. Once it raised, it may be wrong about that: a new one reads back
    what is needed.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._places: dict[SampleName, Place] = {}
        self._tracks: dict[Identity, Track] = {}
        self._sizes: dict[str, int] = {}
        self._up: Track | None = None
        self._scrape = 0
        self._last: int | None = None
        self._slot: int | None = None
        self._started: float | None = None

    def record(self, connection: sqlite3.Connection, time: int, families: Sequence[Family]) -> None:
        """Record what the process shows at a time, in ns since the epoch."""
        up = self._begin(connection)
        is_reborn = self._is_reborn(connection, families)
        for family in families:
            self._take(connection, family, time)
        self._sizes = {family.name: len(family.samples) for family in families}
        rows = [*self._vanished(connection, time), *self._settled(connection, time, is_reborn=is_reborn)]
        bulk.insert(connection, _STORE, [*rows, _row(up, time, 1.0)])
        self._store_exemplars(connection, time)
        self._last = time

    def missed(self, connection: sqlite3.Connection, time: int) -> None:
        """Record that the process could not be scraped at a time, in ns since the epoch."""
        up = self._begin(connection)
        self._note(connection, [up], time)
        bulk.insert(connection, _STORE, [_row(up, time, 0.0)])

    def _begin(self, connection: sqlite3.Connection) -> Track:
        self._scrape += 1
        if self._up is None:
            up = Track(Identity(UP, self._process, "{}", ""), GAUGE)
            connection.execute(_DESCRIBE, (UP, GAUGE, "1 where the process was scraped, 0 where it could not be."))
            self._open(connection, up)
            self._up, self._last = up, _last_scrape(connection, up.id)
        return self._up

    def _is_reborn(self, connection: sqlite3.Connection, families: Iterable[Family]) -> bool:
        """Whether the process says that it was started after it was last scraped."""
        before = _started_before(connection, self._process) if self._started is None else self._started
        self._started = _start_time(families)
        return bool(before and self._started) and abs(self._started - before) >= SAME_LIFE_SECONDS

    def _take(self, connection: sqlite3.Connection, family: Family, time: int) -> None:
        """Take what a family shows to the series that its samples are of."""
        if self._sizes.get(family.name) != len(family.samples) or not self._is_taken(family):
            # A histogram that has other buckets than before is another series, of all its samples.
            self._admit(connection, family, time)
            self._is_taken(family)

    def _is_taken(self, family: Family) -> bool:
        """Take what is shown; answers whether all of it had a place."""
        places, scrape = self._places, self._scrape
        for sample in family.samples:
            place = places.get((sample.name, sample.labels))
            if place is None:
                return False
            track, part = place
            if track is not None:
                track.scrape = scrape
                track.show(part, sample.value)
                if part and sample.exemplar is not None:
                    track.see(sample.exemplar)
        return True

    def _admit(self, connection: sqlite3.Connection, family: Family, time: int) -> None:
        """Find the places of a family's samples anew."""
        for key, place in placed(self._process, family):
            track = place.track and self._tracks.setdefault(place.track.identity, place.track)
            before = self._places.get(key)
            if before is not None and before.track is not None and before.track is not track:
                before.track.scrape = 0
            self._places[key] = Place(track, place.part)
            if track is not None and not track.id:
                connection.execute(_DESCRIBE, (track.identity.name, track.kind, family.about))
                self._open(connection, track)
                self._count_from_before(connection, track, time)

    def _open(self, connection: sqlite3.Connection, track: Track) -> None:
        """Give a series its id, and read back how far it was counted."""
        found = connection.execute(_KNOWN, track.identity).fetchone()
        if found is None:
            bulk.insert(connection, _NOTE, [(*track.identity, track.kind, None, packed(track.base), 0)])
            (track.id,) = connection.execute("SELECT last_insert_rowid()").fetchone()
            return
        track.id, base, seen = found
        track.base = unpacked(base)
        if track.is_cumulative:
            track.total = newest(connection, track.id, seen) or track.base

    def _count_from_before(self, connection: sqlite3.Connection, track: Track, time: int) -> None:
        """A process that was scraped without the series had counted nothing of it yet, or nothing more."""
        if track.is_cumulative and self._last is not None and 0 <= time - self._last <= SCRAPES.gap:
            bulk.insert(connection, _STORE_MISSING, [_row(track, self._last, packed(track.total))])

    def _settled(self, connection: sqlite3.Connection, time: int, *, is_reborn: bool) -> Iterator[Row]:
        """What is to be stored: everything in the first scrape of a slot, later what has changed."""
        slot, _ = SCRAPES.place(time)
        is_first, self._slot = slot != self._slot, slot
        noted = [self._up] if is_first and self._up else []
        for track in self._tracks.values():
            begins_again = track.settle(is_reborn=is_reborn)
            if is_first or begins_again or track.stored is None:
                noted.append(track)
            value = track.value()
            if is_first or value != track.stored:
                track.stored = value
                yield _row(track, time, value)
        self._note(connection, noted, time)

    def _note(self, connection: sqlite3.Connection, tracks: Iterable[Track], time: int) -> None:
        rows = [(*track.identity, track.kind, track.id, packed(track.base), time) for track in tracks]
        bulk.insert(connection, _NOTE, rows, _NOTED)

    def _vanished(self, connection: sqlite3.Connection, time: int) -> Sequence[Row]:
        """What is to be stored of series that the process shows no longer; should one come back, it begins at zero."""
        gone = [track for track in self._tracks.values() if track.scrape != self._scrape]
        if not gone:
            return ()
        for track in gone:
            track.begin_again()
            del self._tracks[track.identity]
        vanished = {track.id for track in gone}
        self._places = {
            key: place for key, place in self._places.items() if place.track and place.track.id not in vanished
        }
        self._note(connection, [track for track in gone if track.is_cumulative], time)
        return [_row(track, time, GONE) for track in gone if not track.is_cumulative]

    def _store_exemplars(self, connection: sqlite3.Connection, time: int) -> None:
        rows = []
        for track in self._tracks.values():
            if best := track.best:
                track.newest, track.best = best.time, None
                # A clock that is ahead must not put them where nobody looks and nothing is pruned.
                at = min(best.time, time)
                rows.append((at // TEN_SECONDS.slot, track.id, at, best.value, best.trace_id, best.span_id))
        bulk.insert(connection, _STORE_EXEMPLAR, rows)


def newest(connection: sqlite3.Connection, series: int, seen: int) -> Parts:
    """The last value of a series that was last `seen` at a time; empty where nothing is left of it."""
    for tier in TIERS:
        slot, _ = tier.place(seen)
        row = connection.execute(
            "SELECT value FROM samples WHERE tier = ? AND slot = ? AND series = ? ORDER BY at DESC LIMIT 1",
            (tier.number, slot, series),
        ).fetchone()
        if row:
            return unpacked(row[0])
    return ()


def _row(track: Track, time: int, value: Stored) -> Row:
    slot, at = SCRAPES.place(time)
    return SCRAPES.number, slot, track.id, at, value


def _last_scrape(connection: sqlite3.Connection, series: int) -> int | None:
    """When a process was last scraped within the reach of a gap, by its series `up`."""
    row = connection.execute("SELECT seen FROM series WHERE id = ?", (series,)).fetchone()
    slot, _ = SCRAPES.place(row[0])
    row = connection.execute(
        "SELECT slot, at FROM samples WHERE tier = 0 AND slot IN (?, ?) AND series = ? AND value = 1 "
        "ORDER BY slot DESC, at DESC LIMIT 1",
        (slot - 1, slot, series),
    ).fetchone()
    return None if row is None else SCRAPES.time(*row)


def _start_time(families: Iterable[Family]) -> float:
    return next((family.samples[0].value for family in families if family.name == START_TIME and family.samples), 0.0)


def _started_before(connection: sqlite3.Connection, process: str) -> float:
    row = connection.execute(
        "SELECT id, seen FROM series WHERE name = ? AND process = ? ORDER BY seen DESC", (START_TIME, process)
    ).fetchone()
    parts = newest(connection, *row) if row else ()
    return parts[0] if parts else 0.0
