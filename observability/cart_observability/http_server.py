"""The HTTP server: granian, embedded in this process and its event loop."""

import asyncio
import contextlib
import socket

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

CONNECTIONS = 8_192
"""Open connections that are served at once; further ones wait in the listen queue."""

LISTEN_QUEUE = 1_024

GRACE = 10.0
"""Seconds that requests under way have to come to an end when the server stops."""

START_SECONDS = 10.0
POLL_SECONDS = 0.01

# Granian configures the standard library's logging when it is made. Incremental leaves alone what others have set up;
# without handlers of its own its errors go where the process sends the root logger's, and nothing goes to stdout.
LOGGING = {"incremental": True, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}


class CannotListen(OSError):  # noqa: N818  what it is, in words that a user is shown
    """Nothing can listen at an address; the text says at which, and why."""


class HttpServer:
    """Serves an ASGI application over HTTP/1.1 until stopped; signals are the caller's.

    Args:
        app: The application.
        host: The address to listen on: an IP address, or `localhost`.
        port: The port to listen on; 0 for a free one, told by `port` from `start` on.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the application is found."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; returns when connections are taken.

        Raises:
            CannotListen: the address cannot be used, for instance because the port is in use.
        """
        self.host, self.port = usable_address(self.host, self.port)
        self._server = embedded_server(self._app, self.host, self.port)
        self._task = asyncio.create_task(self._server.serve(), name="http server")
        await self._until_listening()

    async def stop(self) -> None:
        """Take no more connections, and give requests under way some seconds to come to an end.

        May be called twice, or on what never started. Connections that are idle are closed.
        """
        server, task, self._server = self._server, self._task, None
        if server is None or task is None:
            return
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        await asyncio.wait({task}, timeout=GRACE)
        task.cancel()
        await asyncio.wait({task})

    async def serve(self) -> None:
        """Start, and go on until stopped.

        Raises:
            CannotListen: as `start` does.
            RuntimeError: the server ended without having been asked to.
        """
        await self.start()
        try:
            await self.ended()
        finally:
            await self.stop()

    async def ended(self) -> None:
        """Wait for the end of a server that was started.

        Raises:
            RuntimeError: nobody asked it to end.
        """
        if self._task is not None:
            await asyncio.wait({self._task})
        if self._server is not None:
            raise RuntimeError(f"the HTTP server at {self.url} ended by itself: see the log above")

    async def _until_listening(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            while self._task is not None and not self._task.done():
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(self.host, self.port)
                    writer.close()
                    return
                await asyncio.sleep(POLL_SECONDS)
        await self.ended()


def usable_address(host: str, port: int) -> tuple[str, int]:
    """The numeric address and port to listen on, a free port for port 0.

    Granian sets SO_REUSEPORT and would share a port with another granian; this finds it taken.

    Raises:
        CannotListen: nothing can listen there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            bound = probe.getsockname()
    except (OSError, UnicodeError) as error:
        # A name that cannot even be looked up is a UnicodeError.
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "no such name"
        raise CannotListen(f"cannot listen on {host}:{port} ({reason})") from error
    return bound[0], bound[1]


def embedded_server(app: ASGIApp, host: str, port: int) -> Server:
    """A granian that neither makes processes nor takes signals nor prints."""
    return Server(
        app,
        host,
        port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=LISTEN_QUEUE,
        backpressure=CONNECTIONS,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
    )
