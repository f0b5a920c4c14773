"""The stack's passwords: made at the first start, kept from then on, each readable by the server that needs it alone.

Every reader has a folder (in the stack a volume) of its own with just the files that it needs, because the images run
under different user ids and Elasticsearch takes a password only from a file that nobody else may read. What is kept is
found in the readers' own folders, so there is no further copy of all passwords in one place.
"""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cart_platform.errors import CartscopeError, UsageError
from cart_platform.native.private_file import write_private

Passwords = Mapping[str, str]

BYTES = 24
"""Of randomness in each password; written as hexadecimal digits, which no file format or URL has to escape."""

PASSWORDS = (
    "elastic_password",
    "kibana_system_password",
    "logstash_password",
    "viewer_password",
    "grafana_admin_password",
    "grafana_secret_key",
    "rabbitmq_password",
    "redis_password",
    "console_token",
)

DERIVED: Mapping[str, Callable[[Passwords], str]] = {
    "rabbitmq.conf": lambda its: f"default_user = cartscope\ndefault_pass = {its['rabbitmq_password']}\n",
    "redis.conf": lambda its: f"requirepass {its['redis_password']}\n",
    "cartscope_store_url": lambda its: f"redis://:{its['redis_password']}@redis:6379/0",
    "cartscope_bus_url": lambda its: f"amqp://cartscope:{its['rabbitmq_password']}@rabbitmq:5672/%2F",
}
"""Files that are made of passwords, as their readers take them."""

CARTSCOPE_USER = 10_010
"""The user id that the project's own image runs as (see the Dockerfile)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads which files, under which user and group id."""

    name: str
    user: int
    group: int
    files: Sequence[str]


READERS = (
    Reader("elasticsearch", 1000, 0, ["elastic_password"]),
    Reader("kibana", 1000, 1000, ["kibana_system_password", "viewer_password"]),
    Reader("logstash", 1000, 1000, ["logstash_password"]),
    Reader("grafana", 472, 0, ["grafana_admin_password", "grafana_secret_key", "viewer_password"]),
    Reader("rabbitmq", 999, 999, ["rabbitmq_password", "rabbitmq.conf"]),
    Reader("redis", 999, 999, ["redis_password", "redis.conf"]),
    Reader(
        "setup",
        CARTSCOPE_USER,
        CARTSCOPE_USER,
        ["elastic_password", "kibana_system_password", "logstash_password", "viewer_password"],
    ),
    Reader("cartscope", CARTSCOPE_USER, CARTSCOPE_USER, ["cartscope_store_url", "cartscope_bus_url"]),
    Reader("console", CARTSCOPE_USER, CARTSCOPE_USER, ["console_token", "cartscope_store_url", "cartscope_bus_url"]),
)


def provide(folder: Path) -> str:
    """Write each reader's files into its folder below `folder`; gives a sentence that says so and shows no password.

    A password that any reader has already is kept. Files appear whole or not at all.

    Raises:
        CartscopeError: when the files cannot be written, or given to their readers.
    """
    try:
        kept = {name: text for name in PASSWORDS if (text := _found(folder, name))}
        passwords = {name: kept.get(name) or secrets.token_hex(BYTES) for name in PASSWORDS}
        for reader in READERS:
            _hand_over(reader, folder / reader.name, passwords)
    except OSError as error:
        raise CartscopeError(f"cannot write the passwords below {folder}: {error}; root may do it") from error
    return f"{len(kept)} passwords kept, {len(passwords) - len(kept)} made, below {folder}"


def _found(folder: Path, name: str) -> str | None:
    files = [folder / reader.name / name for reader in READERS if name in reader.files]
    return next((text for file in files if file.exists() and (text := file.read_text().strip())), None)


def _hand_over(reader: Reader, folder: Path, passwords: Passwords) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in reader.files:
        text = DERIVED[name](passwords) if name in DERIVED else passwords[name]
        write_private(folder / name, text, owner=(reader.user, reader.group))


def parse_gift(text: str) -> tuple[Path, int, int]:
    """The folder, user id and group id in `FOLDER=USER:GROUP`.

    Raises:
        UsageError: when it has another form.
    """
    folder, _, owner = text.rpartition("=")
    user, _, group = owner.partition(":")
    if not (folder and user.isdecimal() and group.isdecimal()):
        raise UsageError(f"{text!r} does not say who gets which folder: write it as DIR=USER:GROUP, with numbers")
    return Path(folder), int(user), int(group)


def give(folder: Path, user: int, group: int) -> None:
    """Make a folder if it is not there, and give it to a user: a new volume belongs to root.

    Raises:
        CartscopeError: when it cannot be made or given away.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, user, group)
    except OSError as error:
        raise CartscopeError(f"cannot give {folder} to user {user}: {error}; root may do it") from error
