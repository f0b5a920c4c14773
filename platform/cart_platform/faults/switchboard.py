"""The switchboard: a JSON file that says which faults are on, written by a person's command and read by processes."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from cart_platform.errors import CartscopeError

Key = tuple[str, str | None]
"""A fault's name and the handler that it is switched on for, if it is one of a handler."""

Signature = tuple[int, int, int]
"""Tells one content of the file from another: the time of its change, its inode, its length."""


class SwitchedOn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fault that was switched on, for good or until a time."""

    fault: str
    since: datetime
    handler: str | None = None
    until: datetime | None = None

    @property
    def key(self) -> Key:
        """What it is switched by."""
        return self.fault, self.handler

    @property
    def is_over(self) -> bool:
        """Whether its time has passed."""
        return self.until is not None and self.until <= datetime.now(UTC)


class _Content(msgspec.Struct, frozen=True):
    faults: list[SwitchedOn] = []


def switched_on(fault: str, handler: str | None = None, seconds: float | None = None) -> SwitchedOn:
    """The entry of a fault that is on from this moment, for so many seconds if they are given."""
    since = datetime.now(UTC)
    return SwitchedOn(fault, since, handler, None if seconds is None else since + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class Switchboard:
    """The file, there or not; readers see it whole, as it was before a change or after."""

    file: Path

    def signature(self) -> Signature | None:
        """Changes whenever the content may have; None while there is no file."""
        try:
            stat = self.file.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def read(self) -> list[SwitchedOn]:
        """What is on at this moment; nothing while there is no file.

        Raises:
            CartscopeError: when the file is damaged or cannot be read.
        """
        try:
            content = msgspec.json.decode(self.file.read_bytes(), type=_Content)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise CartscopeError(
                f"the switchboard {self.file} cannot be read ({error}): cartscope faults off --all makes it anew"
            ) from error
        return [entry for entry in content.faults if not entry.is_over]

    def on(self, entries: Sequence[SwitchedOn]) -> None:
        """Switch these on, in place of the same ones that were on before; raises CartscopeError as `read`."""
        keys = {entry.key for entry in entries}
        with self._changing():
            self._write([*(entry for entry in self.read() if entry.key not in keys), *entries])

    def off(self, fault: str) -> bool:
        """Switch a fault off for everyone; whether it was on. Raises CartscopeError as `read`."""
        return self._remove(lambda entry: entry.fault == fault)

    def take(self, taken: SwitchedOn) -> bool:
        """Remove one entry; True for exactly one of those who try. Raises CartscopeError as `read`."""
        return self._remove(lambda entry: entry == taken)

    def clear(self) -> None:
        """Switch everything off, whatever the file holds."""
        with self._changing():
            self._write([])

    def _remove(self, unwanted: Callable[[SwitchedOn], bool]) -> bool:
        with self._changing():
            before = self.read()
            after = [entry for entry in before if not unwanted(entry)]
            if len(after) < len(before):
                self._write(after)
            return len(after) < len(before)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, also between machines that share the folder."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise CartscopeError(
                f"the switchboard {self.file} cannot be written ({error.strerror}): make its folder writable"
            ) from error

    def _write(self, entries: Sequence[SwitchedOn]) -> None:
        beside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(_Content(list(entries))), indent=2))
        beside.replace(self.file)
