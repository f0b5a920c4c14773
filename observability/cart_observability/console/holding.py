"""One console to a file: two would record everything twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file for as long as the block lasts; the system lets go of it whatever way this process ends.

    Raises:
        OSError: another console holds it, or its folder cannot be written.
    """
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(lock, 20).decode(errors="replace") or "another one"
            raise OSError(f"a console keeps {path} already (process {owner})") from error
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        # What is logged is nobody else's business; SQLite gives the files beside it the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        yield
    finally:
        os.close(lock)
