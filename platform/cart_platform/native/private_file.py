"""Files that only their owner may read: they hold passwords."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write the text into a file of mode 0600 that appears whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
