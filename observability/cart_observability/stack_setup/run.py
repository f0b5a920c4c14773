"""The whole set-up: Elasticsearch first, because Kibana cannot start without the password of its user."""

from dataclasses import dataclass
from pathlib import Path

import aiohttp

from cart_observability.elastic import template
from cart_observability.elastic.client import Client
from cart_observability.stack_setup import elasticsearch, kibana
from cart_observability.stack_setup.failure import SetupFailed
from cart_observability.stack_setup.passwords import Passwords
from cart_observability.stack_setup.server import Server, Tell

SUPERUSER = "elastic"
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)


@dataclass(frozen=True)
class Plan:
    """Where the servers are, and what is put into them; `patience` is the seconds that each may take to answer."""

    elasticsearch_url: str
    kibana_url: str
    secrets: Path
    elk: Path
    patience: float


async def set_up(plan: Plan, tell: Tell) -> None:
    """Do all of it, and say each step; raises SetupFailed."""
    passwords = Passwords.read(plan.secrets)
    templates, objects = _templates(plan.elk / "elasticsearch"), _objects(plan.elk / "kibana")
    identity = {"Authorization": aiohttp.encode_basic_auth(SUPERUSER, passwords.elastic_password)}
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=identity) as http:
        store = Server("Elasticsearch", Client(http, plan.elasticsearch_url), plan.patience, tell)
        await elasticsearch.prepare(store, passwords, templates)
        await kibana.prepare(Server("Kibana", Client(http, plan.kibana_url), plan.patience, tell), objects)


def _templates(folder: Path) -> template.Objects:
    try:
        return template.load(folder)
    except ValueError as error:
        raise SetupFailed(str(error)) from error


def _objects(folder: Path) -> dict[str, bytes]:
    files = {file.name: file.read_bytes() for file in sorted(folder.glob("*.ndjson"))}
    if not files:
        raise SetupFailed(f"{folder} holds no objects of Kibana")
    return files
