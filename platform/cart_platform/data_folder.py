"""The data folder of a run: who uses it, what is in it, and whether it goes when the run ends."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from cart_platform.errors import CartscopeError

_LOCK = "lock"


class DataFolder:
    """A folder that belongs to one run at a time; a context manager.

    Attributes:
        path: Absolute path of the folder.
        is_fresh: Whether the folder was made for this run alone.
    """

    def __init__(self, path: Path | None = None, *, remove: bool = False) -> None:
        """Name the folder; nothing is made or locked before the block is entered.

        Args:
            path: Made if absent and kept; None makes a fresh temporary one.
            remove: Whether a fresh folder is removed at the end of the block; a named one never is.
        """
        self.is_fresh = path is None
        self.path = path.absolute() if path else Path()
        self._remove = remove and self.is_fresh
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        """Where Cartscope's own processes write their log files."""
        return self.path / "logs"

    @property
    def mail(self) -> Path:
        """The Maildir of notifications."""
        return self.path / "mail"

    @property
    def faults(self) -> Path:
        """The switchboard of faults."""
        return self.path / "faults.json"

    @property
    def output(self) -> Path:
        """What servers and processes print, a file each."""
        return self.path / "output"

    def __enter__(self) -> Self:
        """Make the folder and take it.

        Raises:
            CartscopeError: when it cannot be written, or another run uses it.
        """
        try:
            self._make()
            self._take()
            for folder in (self.logs, self.output):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            self._give_back()
            raise CartscopeError(
                f"cannot use {error.filename or self.path} as data folder ({error.strerror}): "
                "make it writable, or choose another with --data-dir"
            ) from error
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._remove:
            shutil.rmtree(self.path, ignore_errors=True)
        self._give_back()

    @staticmethod
    def is_in_use(path: Path) -> bool:
        """Whether a run has taken this folder at this moment."""
        try:
            with (path / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _make(self) -> None:
        if self.is_fresh:
            self.path = Path(tempfile.mkdtemp(prefix="cartscope-"))
        else:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _take(self) -> None:
        """Lock the folder: the system gives the lock back whatever way this process ends."""
        lock = self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(lock, 20).decode() or "another process"
            self._give_back()
            raise CartscopeError(
                f"{self.path} is in use by a running Cartscope (process {owner}): stop it, or choose another --data-dir"
            ) from error
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())

    def _give_back(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
        self._lock = None
