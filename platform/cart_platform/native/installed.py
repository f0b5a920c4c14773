"""The servers that are installed on this machine, and how to get those that are not."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cart_platform.errors import CartscopeError
from cart_platform.native import checkout
from cart_platform.native.elasticsearch_server import is_distribution

# The script of this name on PATH of Debian's package changes to the user rabbitmq, who may not enter the data folder.
_UNWRAPPED_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_ELASTICSEARCH_CORE = "elasticsearch-8.19.0"

_PACKAGES = {"redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server", "epmd": "erlang-base"}


@dataclass(frozen=True)
class Servers:
    """Paths of the executables.

    Attributes:
        redis: Of redis-server.
        rabbitmq: Of a start script of RabbitMQ.
        epmd: Of Erlang's port mapper.
        watchers: Of the servers that a run can do without, by name; those that are missing are not in it.
        missing: A line for each of these, which says why it is left out and how to get it.
    """

    redis: str
    rabbitmq: str
    epmd: str
    watchers: Mapping[str, str]
    missing: tuple[str, ...]


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


def elasticsearch() -> str | None:
    """Path of `bin/elasticsearch`: on PATH, else the core that `tests/install-servers` lays out in the user's cache.

    None if there is none. A distribution refuses to be run by root, who is given the core.
    """
    found = find("elasticsearch")
    if found and (os.geteuid() or not is_distribution(found)):
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    core = cache / "cartscope" / _ELASTICSEARCH_CORE / "bin" / "elasticsearch"
    return str(core) if core.exists() and find("java") else None


@dataclass(frozen=True)
class _Watcher:
    """A server that a run can do without: how it is found, the stack's files that it needs, how to get it."""

    find: Callable[[], str | None]
    files: Path
    get: str


_RELEASES = "put it on PATH, from github.com/{}/releases"
# In the order in which they are to start.
_WATCHERS = {
    "alertmanager": _Watcher(
        partial(find, "prometheus-alertmanager", "alertmanager"),
        checkout.ALERTMANAGER,
        "`apt-get install prometheus-alertmanager`",
    ),
    "prometheus": _Watcher(partial(find, "prometheus"), checkout.PROMETHEUS, "`apt-get install prometheus`"),
    "tempo": _Watcher(partial(find, "tempo"), checkout.TEMPO, _RELEASES.format("grafana/tempo")),
    "collector": _Watcher(
        partial(find, "otelcol-contrib", "otelcol"),
        checkout.COLLECTOR,
        _RELEASES.format("open-telemetry/opentelemetry-collector-releases"),
    ),
    "elasticsearch": _Watcher(
        elasticsearch,
        checkout.TEMPLATES,
        "put a distribution on PATH and be another user than root, or run tests/install-servers",
    ),
}


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
    watchers, complaints = _watchers()
    return Servers(needed["redis-server"], needed["rabbitmq-server"], needed["epmd"], watchers, complaints)


def _watchers() -> tuple[dict[str, str], tuple[str, ...]]:
    """Paths of those that can be started, and a line for each other one."""
    found, complaints = {}, []
    for name, watcher in _WATCHERS.items():
        path = watcher.find()
        if path is None:
            complaints.append(f"{name} not installed: going on without it ({watcher.get})")
        elif not watcher.files.exists():
            complaints.append(f"{name} left out: {watcher.files.name} is part of a checkout, and this is none")
        else:
            found[name] = path
    if "collector" in found and "tempo" not in found:
        del found["collector"]
        complaints.append("collector left out: without tempo it has nowhere to send traces to")
    return found, tuple(complaints)
