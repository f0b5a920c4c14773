"""Throwaway Redis and RabbitMQ servers on free ports, each with a data folder of its own.

`start`, `stop` and `restart` block until the server serves or is gone: from an async test call them by
`asyncio.to_thread`, so that clients in the test's loop go on meanwhile.
"""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cart_platform.native import installed, rabbitmq_server, redis_server
from cart_platform.native.parting import dying_with_parent
from cart_platform.native.ports import free_ports
from cart_platform.native.program import Program

START_SECONDS = 120.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll until the condition holds; raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"{what}: not within {seconds:g} s"
            raise TimeoutError(message)
        time.sleep(0.05)


def _prefix() -> tuple[str, ...]:
    # The system counts the starting thread as the parent, and only the main thread lives as long as the tests.
    return dying_with_parent() if threading.current_thread() is threading.main_thread() else ()


class RunningProgram:
    """One program as a child process, its output in `output.log` of its folder."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """Process id; raises RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.program.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves; raises RuntimeError with its last words if it ends instead."""
        with (self.program.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*_prefix(), *self.program.command],
                cwd=self.program.folder,
                env=os.environ | self.program.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._serves, f"{self.program.name} ready")

    def _serves(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            words = (self.program.folder / "output.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.program.name} ended with {self._process.returncode}: {words}")
        return self.program.ready()

    def stop(self) -> None:
        """End it in good order; killed when it takes too long."""
        if self._process is not None:
            self._process.send_signal(self.program.stop_signal)
            try:
                self._process.wait(self.program.stop_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End it by SIGKILL and reap it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


class Server:
    """What all servers have in common: a data folder and a main program."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cartscope-test-"))
        self.password = secrets.token_urlsafe(16)
        self._main = RunningProgram(self._program())

    def _program(self) -> Program:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._main.pid

    def start(self) -> Self:
        """Start it and wait until it serves."""
        self._main.start()
        return self

    def kill(self) -> None:
        """End it by SIGKILL; its data stay for the next start."""
        self._main.kill()

    def halt(self) -> None:
        """End it in good order; its data stay for the next start."""
        self._main.stop()

    def restart(self) -> None:
        """Kill it and start it on the same port and data."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it and throw its data away."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer(Server):
    """A Redis with a password, configured as `cartscope native` configures its own."""

    @staticmethod
    def available() -> bool:
        """Whether redis-server is installed."""
        return installed.redis() is not None

    def __init__(self) -> None:
        [self.port] = free_ports(1)
        super().__init__()

    def _program(self) -> Program:
        return redis_server.program(installed.redis() or "redis-server", self.folder, self.port, self.password)

    @property
    def url(self) -> str:
        """`redis://` address with the password."""
        return redis_server.url(self.port, self.password)


class RabbitServer(Server):
    """A RabbitMQ node with a port mapper of its own, configured as `cartscope native` configures its own."""

    @staticmethod
    def available() -> bool:
        """Whether rabbitmq-server and Erlang's epmd are installed."""
        return installed.rabbitmq() is not None and installed.epmd() is not None

    def __init__(self) -> None:
        self.ports = rabbitmq_server.RabbitPorts(*free_ports(4))
        super().__init__()
        self._mapper = RunningProgram(
            rabbitmq_server.mapper_program(installed.epmd() or "epmd", self.folder, self.ports)
        )

    def _program(self) -> Program:
        return rabbitmq_server.program(
            installed.rabbitmq() or "rabbitmq-server", self.folder, self.ports, self.password
        )

    @property
    def url(self) -> str:
        """`amqp://` address with user and password, default virtual host."""
        return rabbitmq_server.url(self.ports, self.password)

    def start(self) -> Self:
        """Start it, its port mapper first, and wait until it serves."""
        self._mapper.stop()
        self._mapper.start()
        return super().start()

    def stop(self) -> None:
        """End it and its port mapper and throw its data away."""
        super().stop()
        self._mapper.kill()
