"""The passwords of the stack, each in a file of its own."""

from dataclasses import dataclass, fields
from pathlib import Path

from cart_observability.stack_setup.failure import SetupFailed


@dataclass(frozen=True)
class Passwords:
    """Of the users that the set-up acts as, or makes; a field is named as its file."""

    elastic_password: str
    kibana_system_password: str
    logstash_password: str
    viewer_password: str

    @classmethod
    def read(cls, folder: Path) -> "Passwords":
        """Read the files of a folder; raises SetupFailed when one is missing or empty."""
        return cls(**{field.name: _read(folder / field.name) for field in fields(cls)})


def _read(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SetupFailed(f"cannot read the password in {file}: {error.strerror}") from error
    if not password:
        raise SetupFailed(f"the password in {file} is empty")
    return password
