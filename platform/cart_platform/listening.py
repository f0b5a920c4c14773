"""HTTP servers of this program: what cannot listen says so in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from cart_observability.http_server import CannotListen, HttpServer
from cart_platform.errors import CartscopeError


@contextmanager
def said_in_one_line(what: str, setting: str) -> Iterator[None]:
    """Within the block, what cannot listen is told to a person.

    Args:
        what: A name in a sentence, such as `the API`.
        setting: What chooses another port.

    Raises:
        CartscopeError: in place of CannotListen.
    """
    try:
        yield
    except CannotListen as error:
        raise CartscopeError(f"{what} {error}: stop what listens there, or set {setting}") from error


async def listen(server: HttpServer, what: str, setting: str) -> None:
    """Start a server; returns when connections are taken.

    Raises:
        CartscopeError: when the address cannot be used, for instance because the port is in use.
    """
    with said_in_one_line(what, setting):
        await server.start()
