"""Which machines a name stands for: a service that was scaled has several, and each has metrics of its own."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

SECONDS: Final = 5.0
"""Between two questions to the name service."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host, none for one that is not there."""


async def resolve(host: str) -> Sequence[str]:
    """The IP addresses of a host, by the system's own ways; none for one that is not there."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return sorted({str(address[0]) for *_, address in found})


class Replicas:
    """Addresses of metrics, one for each machine behind each of the given ones.

    A name that stands for one machine keeps its own; several are told apart by their IP addresses. A name that cannot
    be resolved stays as it was: whoever scrapes it says so.

    Args:
        targets: Addresses by the names of the processes.
        resolve: Finds the machines.
    """

    def __init__(self, targets: Mapping[str, str], resolve: Resolve = resolve) -> None:
        self._targets = targets
        self._resolve = resolve
        self._known = {name: {name: url} for name, url in targets.items()}

    def __call__(self) -> Mapping[str, str]:
        """What is to be scraped at this moment."""
        return {name: url for each in self._known.values() for name, url in each.items()}

    async def run(self, seconds: float = SECONDS) -> None:
        """Ask again and again until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(seconds)

    async def ask(self) -> None:
        """Ask once for every name that is no IP address."""
        for name, url in self._targets.items():
            host = urlsplit(url).hostname or ""
            if not _is_address(host) and (addresses := await self._resolve(host)):
                self._known[name] = _each(name, url, addresses)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _each(name: str, url: str, addresses: Sequence[str]) -> dict[str, str]:
    if len(addresses) == 1:
        return {name: url}
    return {f"{name} {address}": _at(url, address) for address in addresses}


def _at(url: str, address: str) -> str:
    """The URL with another host; user and port stay."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{address}]" if ":" in address else address
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}{port}"))
