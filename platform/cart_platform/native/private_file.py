"""Files that only their owner may read: they hold passwords."""

import os
from pathlib import Path


def write_private(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Write the text into a file of mode 0600 that appears whole or not at all.

    `owner` is the user and group id that it belongs to, where that is not this process's: giving files away takes root.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner:
            os.fchown(descriptor, *owner)
        file.write(text)
    beside.replace(path)
