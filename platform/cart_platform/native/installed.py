"""The servers that are installed on this machine, and how to get those that are not."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cart_platform.errors import CartscopeError

# The script of this name on PATH of Debian's package changes to the user rabbitmq, who may not enter the data folder.
_UNWRAPPED_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_PACKAGES = {"redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server", "epmd": "erlang-base"}
_OPTIONAL_PACKAGES = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}


@dataclass(frozen=True)
class Servers:
    """Paths of the executables; Prometheus and Alertmanager may be missing."""

    redis: str
    rabbitmq: str
    epmd: str
    prometheus: str | None
    alertmanager: str | None


def find(*names: str) -> str | None:
    """Path of the first of these programs that is installed; None if none is."""
    # Debian puts servers where an ordinary user's PATH does not lead.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return next(filter(None, (shutil.which(name, path=path) for name in names)), None)


def redis() -> str | None:
    """Path of redis-server, None if it is not installed."""
    return find("redis-server")


def rabbitmq() -> str | None:
    """Path of a start script of RabbitMQ that stays with the user who calls it, None if it is not installed."""
    return str(_UNWRAPPED_RABBITMQ) if _UNWRAPPED_RABBITMQ.exists() else find("rabbitmq-server")


def epmd() -> str | None:
    """Path of Erlang's port mapper, None if it is not installed."""
    return find("epmd")


def servers() -> Servers:
    """All servers of a native run.

    Raises:
        CartscopeError: naming every one that it cannot do without and how to get it.
    """
    needed = {"redis-server": redis() or "", "rabbitmq-server": rabbitmq() or "", "epmd": epmd() or ""}
    missing = [name for name, path in needed.items() if not path]
    if missing:
        packages = " ".join(_PACKAGES[name] for name in missing)
        raise CartscopeError(
            f"not installed: {', '.join(missing)}; get it with `apt-get install {packages}` (or your system's way), "
            "or run `cartscope demo`, which needs no server"
        )
    return Servers(
        redis=needed["redis-server"],
        rabbitmq=needed["rabbitmq-server"],
        epmd=needed["epmd"],
        prometheus=find("prometheus"),
        alertmanager=find("prometheus-alertmanager", "alertmanager"),
    )


def done_without(servers: Servers) -> list[str]:
    """A line for each server that is missing and not needed."""
    found = {"prometheus": servers.prometheus, "alertmanager": servers.alertmanager}
    return [
        f"{name} not installed: going on without it (`apt-get install {_OPTIONAL_PACKAGES[name]}`)"
        for name, path in found.items()
        if path is None
    ]
