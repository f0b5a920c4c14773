"""What Elasticsearch needs: passwords, roles, users, templates and data streams.

Sources: Elasticsearch's reference of the security APIs (change passwords, create roles, create users), of index
privileges, and of data streams; for Logstash's role docs/reference/secure-connection.md of elastic/logstash.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from cart_observability.elastic import template
from cart_observability.elastic.client import ElasticError
from cart_observability.stack_setup.passwords import Passwords
from cart_observability.stack_setup.server import Server

STREAMS = (template.LINES, template.UNPARSED, template.STACK)
INDICES = ["logs-cartscope-*", "logs-*-cartscope"]
"""Patterns that hold all of them, and nothing of anybody else's."""

WRITER, READER, VIEWER = "cartscope_logstash", "cartscope_reader", "cartscope_viewer"

ROLES: Mapping[str, Mapping[str, Any]] = {
    # Its connections are checked by what `monitor` allows; it adds documents, and never changes or reads one.
    WRITER: {"cluster": ["monitor"], "indices": [{"names": INDICES, "privileges": ["create_doc", "auto_configure"]}]},
    READER: {"cluster": ["monitor"], "indices": [{"names": INDICES, "privileges": ["read", "view_index_metadata"]}]},
}


def users(passwords: Passwords) -> Mapping[str, Mapping[str, Any]]:
    """Logstash, and whoever only looks: Kibana's visitors and Grafana's data source."""
    return {
        WRITER: {"password": passwords.logstash_password, "roles": [WRITER], "full_name": "Logstash of Cartscope"},
        # The role `cartscope_viewer` is Kibana's; until it is there the name gives nothing.
        VIEWER: {"password": passwords.viewer_password, "roles": [READER, VIEWER], "full_name": "Looks on"},
    }


async def prepare(server: Server, passwords: Passwords, templates: template.Objects) -> None:
    """Put everything in place, over what is there; raises SetupFailed."""
    await server.patiently(lambda: server.client.ask("GET", "_cluster/health", wait_for_status="yellow", timeout="1s"))
    server.tell("Elasticsearch answers")
    await _secure(server, passwords)
    put = await server.patiently(lambda: template.install(server.client, templates))
    server.tell(f"templates: {', '.join(path.rpartition('/')[2] for path in put)}")
    for stream in STREAMS:
        await _make(server, stream)
    server.tell(f"data streams: {', '.join(STREAMS)}")


async def _secure(server: Server, passwords: Passwords) -> None:
    await _put(server, "_security/user/kibana_system/_password", {"password": passwords.kibana_system_password})
    for role, privileges in ROLES.items():
        await _put(server, f"_security/role/{role}", privileges)
    for user, description in users(passwords).items():
        await _put(server, f"_security/user/{user}", description)
    server.tell(f"roles and users: {', '.join([*ROLES, VIEWER])}; the password of kibana_system")


async def _put(server: Server, path: str, body: Mapping[str, Any]) -> None:
    await server.patiently(lambda: server.client.ask("PUT", path, body))


async def _make(server: Server, stream: str) -> None:
    """Make a data stream before its first line, so that a search of it is empty and not an error."""

    async def make() -> None:
        try:
            await server.client.ask("GET", f"_data_stream/{stream}")
        except ElasticError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            await server.client.ask("PUT", f"_data_stream/{stream}")

    await server.patiently(make)
