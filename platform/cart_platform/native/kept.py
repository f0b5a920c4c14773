"""Ports and passwords that a data folder keeps from one run to the next."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cart_platform.errors import CartscopeError
from cart_platform.native.ports import free_ports, is_free
from cart_platform.native.private_file import write_private

FILE = "native.json"


@dataclass(frozen=True)
class Kept:
    """What a native run is reached by; both by name."""

    ports: Mapping[str, int]
    passwords: Mapping[str, str]


def keep(folder: Path, ports: Sequence[str], passwords: Sequence[str]) -> Kept:
    """Give what the folder keeps under these names, with what is new or no longer free made and kept too.

    Raises:
        CartscopeError: when the file is damaged or cannot be written.
    """
    file = folder / FILE
    before = _read(file)
    lost = [name for name in ports if name not in before.ports or not is_free(before.ports[name])]
    kept = Kept(
        ports=before.ports | dict(zip(lost, free_ports(len(lost)), strict=True)),
        passwords={name: secrets.token_urlsafe(24) for name in passwords} | before.passwords,
    )
    try:
        write_private(file, json.dumps({"ports": kept.ports, "passwords": kept.passwords}, indent=2))
    except OSError as error:
        raise CartscopeError(f"cannot write {file} ({error.strerror}): choose another --data-dir") from error
    return kept


@dataclass(frozen=True)
class _Stored:
    ports: dict[str, int]
    passwords: dict[str, str]


def _read(file: Path) -> _Stored:
    if not file.exists():
        return _Stored({}, {})
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return _Stored(dict(stored["ports"]), dict(stored["passwords"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CartscopeError(
            f"{file} holds the servers' passwords and is damaged: restore it, or choose another --data-dir"
        ) from error
