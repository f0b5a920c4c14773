"""Short questions to a local server: does it accept, does it answer. They block for a second at most."""

import socket
from http.client import HTTPConnection, HTTPException

from cart_platform.native.ports import LOOPBACK

SECONDS = 1.0


def accepts(port: int) -> bool:
    """Whether something accepts connections on the loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def replies(port: int, question: bytes, start: bytes) -> bool:
    """Whether the answer to these bytes starts with those."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=SECONDS) as connection:
            connection.sendall(question)
            return connection.recv(len(start)) == start
    except OSError:
        return False


def serves(port: int, path: str) -> bool:
    """Whether GET of the path answers 200; no proxy of the environment is asked."""
    connection = HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004  HTTP's own number
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
