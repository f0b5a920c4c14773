"""Which machines a name of the console's targets stands for."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from cart_observability.console.metrics.replicas import Replicas, resolve
from support.polling import eventually

ONE, OTHER = "10.0.0.7", "10.0.0.8"
URL = "http://worker:9464/metrics?family=a"


class Names:
    """A name service that can be told what to say."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def __call__(self, _host: str) -> Sequence[str]:
        """What a host stands for at this moment."""
        return self.addresses


async def scraped(*addresses: str, url: str = URL) -> dict[str, str]:
    """What is scraped of one process whose host stands for these."""
    replicas = Replicas({"worker": url}, Names(*addresses))
    await replicas.ask()
    return dict(replicas())


async def test_one_machine() -> None:
    """A name that stands for one machine is scraped by its own name."""
    assert {"worker": URL} == await scraped(ONE)


async def test_several_machines() -> None:
    """A name that stands for several is scraped at each of them, with path and port as they were."""
    each = {f"worker {address}": f"http://{address}:9464/metrics?family=a" for address in (ONE, OTHER)}
    assert each == await scraped(ONE, OTHER)


async def test_ipv6() -> None:
    """An address of IPv6 is written as one."""
    found = await scraped("fd00::1", "fd00::2", url="http://user:word@worker/metrics")
    assert "http://user:word@[fd00::1]/metrics" == found["worker fd00::1"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9464/metrics", "http://[::1]:9464/metrics"])
async def test_addresses(url: str) -> None:
    """What is an address already stands for itself."""
    assert {"worker": url} == await scraped(ONE, OTHER, url=url)


async def test_a_name_that_goes_away() -> None:
    """A host that cannot be resolved for a moment is scraped where it was."""
    names = Names(ONE, OTHER)
    replicas = Replicas({"worker": URL}, names)
    await replicas.ask()
    before, names.addresses = replicas(), ()
    await replicas.ask()
    assert before == replicas()


async def test_before_the_first_answer() -> None:
    """What nobody was asked for yet is scraped as it was given."""
    assert {"worker": URL} == Replicas({"worker": URL}, Names())()


async def test_scaling() -> None:
    """A service that is scaled is found again and again."""
    names = Names(ONE)
    replicas = Replicas({"worker": URL}, names)
    asking = asyncio.create_task(replicas.run(seconds=0.01))
    names.addresses = (ONE, OTHER)

    async def found() -> bool:
        return len(replicas()) == len(names.addresses)

    await eventually(found)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def test_the_systems_names() -> None:
    """This machine is known by name, and a host that is nowhere stands for nothing."""
    assert "127.0.0.1" in await resolve("localhost")
    assert () == await resolve("nowhere.invalid")
