"""One Redis server as the store needs it: pipelines, scripts by their hash, every error in one clear line."""

import os
from collections.abc import Mapping, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from cart_platform.errors import CartscopeError, Unavailable, UsageError

Command = tuple[str | bytes | int, ...]

CONNECTIONS = 16
"""Connections of one process at most: pipelines keep each of them busy, and who finds none free waits."""

ANSWER_SECONDS = 5.0
"""A server that does not answer in time is not asked again: callers would be stuck behind it."""

CONNECT_SECONDS = 2.0
RETRIES = 3
"""Of lost and refused connections, after waits of at most 0.1, 0.2 and 0.4 s: a restarted server is often back."""

OLDEST_VERSION = 7
"""The scripts declare whether they write (`#!lua flags=`), which Redis understands from 7.0 on."""


class RedisClient:
    """Sends pipelines to the server of a `redis://`, `rediss://` or `unix://` address.

    A pipeline that loses its connection is sent again a few times: every script of the store may be run twice.

    Raises:
        UsageError: when the address cannot be one.
    """

    def __init__(self, url: str) -> None:
        self._pool = _pool(url)
        self.address = _address(self._pool.connection_kwargs)
        self._redis = Redis(connection_pool=self._pool)
        self._scripts = _scripts()
        self._is_open = False

    async def open(self) -> None:
        """Connect, see whether this server can be used, and load the scripts.

        Raises:
            CartscopeError: when it can never keep the store's promises, or does not accept the login.
            Unavailable: when it cannot be reached.
        """
        self._is_open = True
        try:
            [info] = await self.ask([("INFO",)])
        except Unavailable as unavailable:
            if isinstance(unavailable.__cause__, AuthenticationError | NoPermissionError):
                raise CartscopeError(
                    f"Redis at {self.address} refuses the login ({unavailable.__cause__}): "
                    "correct user and password in CARTSCOPE_STORE_URL"
                ) from unavailable
            raise
        _check(self.address, info)
        await self._load_scripts()

    async def close(self) -> None:
        """Close every connection; may be called twice."""
        self._is_open = False
        await self._redis.aclose()
        await self._pool.aclose()

    def script(self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes | int] = ()) -> Command:
        """The command that runs a script of the folder `lua`, for a pipeline."""
        return ("EVALSHA", self._scripts[name][0], len(keys), *keys, *arguments)

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands sent in one round trip.

        Raises:
            Unavailable: when the server does not answer, or refuses one of them.
        """
        answers = await self.ask_each(commands)
        for answer in answers:
            if isinstance(answer, Unavailable):
                raise answer
        return answers

    async def ask_each(self, commands: Sequence[Command]) -> list[Any]:
        """As `ask`, with Unavailable in the place of each answer that the server refused: the others took place.

        Raises:
            Unavailable: when the server does not answer; whether anything took place is not known.
        """
        answers = await self._send(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._load_scripts()
            answers = await self._send_again(commands, answers)
        return [self._refused(answer) if isinstance(answer, RedisError) else answer for answer in answers]

    async def _send_again(self, commands: Sequence[Command], answers: list[Any]) -> list[Any]:
        """A server that was restarted has forgotten the scripts; the commands that needed none took place."""
        unknown = [position for position, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        again = await self._send([commands[position] for position in unknown])
        for position, answer in zip(unknown, again, strict=True):
            answers[position] = answer
        return answers

    async def _load_scripts(self) -> None:
        answers = await self._send([("SCRIPT LOAD", source) for _, source in self._scripts.values()])
        for answer in answers:
            if isinstance(answer, RedisError):
                raise self._refused(answer)

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        if not self._is_open:
            raise Unavailable("the store is closed, or was not started")
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            return await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise Unavailable(
                f"cannot reach Redis at {self.address} ({_reason(error)}): start it, or set CARTSCOPE_STORE_URL"
            ) from error

    def _refused(self, error: RedisError) -> Unavailable:
        refused = Unavailable(f"Redis at {self.address} refuses: {error}")
        refused.__cause__ = error
        return refused


def _pool(url: str) -> BlockingConnectionPool:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), RETRIES, (RedisConnectionError,)),
            protocol=2,
        )
        pool.make_connection()  # type: ignore[no-untyped-call]  # connects to nothing: it checks the options
    except (ValueError, TypeError) as error:
        # The error's own words may hold the password.
        raise UsageError(
            "the address of the store is none that Redis has: set CARTSCOPE_STORE_URL to "
            "redis://[user]:[password]@host:port/database, special characters in the password percent-encoded"
        ) from error
    return pool


def _reason(error: Exception) -> str:
    """The operating system's words where it has any: redis-py wraps them in an address and a number."""
    cause = error.__context__
    if not isinstance(cause, OSError) or not cause.errno:
        return str(error).rstrip(".")
    # A name that cannot be resolved has a number of its own kind, below zero.
    return (os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)).lower()


def _address(connection: Mapping[str, Any]) -> str:
    return str(connection.get("path") or f"{connection.get('host', 'localhost')}:{connection.get('port', 6379)}")


def _scripts() -> dict[str, tuple[str, bytes]]:
    """Hash and source of each script of the folder `lua`, by its name."""
    folder = files("cart_platform.store.redis") / "lua"
    sources = {file.name.removesuffix(".lua"): file.read_bytes() for file in folder.iterdir()}
    return {name: (sha1(source, usedforsecurity=False).hexdigest(), source) for name, source in sources.items()}


def _check(address: str, info: Mapping[str, Any]) -> None:
    version, policy = str(info["redis_version"]), info["maxmemory_policy"]
    requirements = (
        (
            int(version.partition(".")[0]) >= OLDEST_VERSION,
            f"is version {version}: install Redis {OLDEST_VERSION}.0 or later",
        ),
        (
            policy == "noeviction",
            f"may evict carts and events (maxmemory-policy {policy}): set maxmemory-policy noeviction",
        ),
        (info["redis_mode"] != "cluster", "is one node of a cluster: set CARTSCOPE_STORE_URL to a Redis of its own"),
    )
    for kept, text in requirements:
        if not kept:
            raise CartscopeError(f"Redis at {address} {text}")
