"""Fixtures for real servers: one of each kind a session, started when a test first asks for it."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from support.elasticsearch_server import ElasticsearchServer
from support.servers import RabbitServer, RedisServer

# How long an example takes says more about the machine than about the code.
settings.register_profile("cartscope", deadline=None)
settings.load_profile("cartscope")


def skip_or_fail(missing: str) -> None:
    """Skip the test for want of a server; fail it where CI=true, because nothing may go untested there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing} is not installed", pytrace=False)
    pytest.skip(f"{missing} is not installed")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for the session: tests share its data and take keys of their own."""
    if not RedisServer.available():
        skip_or_fail("redis-server")
    server = RedisServer()
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ for the session: tests share it and take exchanges and queues of their own."""
    if not RabbitServer.available():
        skip_or_fail("rabbitmq-server")
    server = RabbitServer()
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[ElasticsearchServer]:
    """An Elasticsearch for the session: tests share it and take indices, or words to search for, of their own."""
    if not ElasticsearchServer.available():
        skip_or_fail("elasticsearch")
    server = ElasticsearchServer()
    yield server.start()
    server.stop()
