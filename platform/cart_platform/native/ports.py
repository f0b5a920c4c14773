"""Free ports on the loopback interface."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which Linux and macOS take the local ports of outgoing connections,
# so that no client's connection sits on a port between its choice and its server's start.
_RANGE = range(20_000, 32_768)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback interface at this moment."""
    with socket.socket() as probe:
        # A server sets this too: connections of a run that has ended must not make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Give that many different ports on which nothing listens at this moment."""
    shuffled = random.sample(_RANGE, len(_RANGE))
    free = (port for port in shuffled if is_free(port))
    return [next(free) for _ in range(count)]
