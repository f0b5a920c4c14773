"""Redis as event source: a configuration that keeps every acknowledged write."""

from pathlib import Path

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import replies
from cart_platform.native.program import Program

# `appendfsync always` answers a write after it is on the disk, and `noeviction` refuses writes
# rather than forgetting carts. Snapshots are off: the append-only file alone is the data.
# The title stays off because Redis would write it over the environment by which leftovers are known.
_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
daemonize no
logfile ""
set-proc-title no
"""


def url(port: int, password: str) -> str:
    """Address of the server as `CARTSCOPE_STORE_URL` takes it."""
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def is_ready(port: int, password: str) -> bool:
    """Whether the server takes commands: not while it still loads its file."""
    return replies(port, f"AUTH {password}\r\nPING\r\n".encode(), b"+OK\r\n+PONG")


def program(executable: str, folder: Path, port: int, password: str) -> Program:
    """Write the server's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of redis-server.
        folder: Where its data live; made if absent.
        port: On the loopback interface.
        password: Asked of every client.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "redis.conf"
    text = _CONFIGURATION.format(host=LOOPBACK, port=port, password=password, folder=folder)
    write_private(configuration, text)
    return Program(
        name="redis",
        command=(executable, str(configuration)),
        folder=folder,
        ready=lambda: is_ready(port, password),
    )
