"""What Kibana needs: a role that may look, and the objects of elk/kibana.

Sources: Kibana's API reference (status, create or update a role, import saved objects). Which page it opens on and
which data view Discover takes are in elk/kibana/kibana.yml.
"""

from collections.abc import Mapping
from typing import Any

from cart_observability.stack_setup.elasticsearch import VIEWER
from cart_observability.stack_setup.failure import SetupFailed
from cart_observability.stack_setup.server import NotReady, Server

HEADERS = {"kbn-xsrf": "cartscope"}

ROLE: Mapping[str, Any] = {
    "elasticsearch": {"cluster": [], "indices": []},
    "kibana": [
        {
            "base": [],
            "feature": {"dashboard_v2": ["read"], "discover_v2": ["read"], "visualize_v2": ["read"]},
            "spaces": ["default"],
        }
    ],
}


async def prepare(server: Server, files: Mapping[str, bytes]) -> None:
    """Put everything in place, over what is there; raises SetupFailed."""
    await server.patiently(lambda: _available(server))
    server.tell("Kibana answers")
    await server.patiently(lambda: server.client.ask("PUT", f"api/security/role/{VIEWER}", ROLE, HEADERS))
    server.tell(f"role: {VIEWER}")
    for name, content in files.items():
        await _import(server, name, content)


async def _available(server: Server) -> None:
    level = (await server.client.ask("GET", "api/status"))["status"]["overall"]["level"]
    if level != "available":
        raise NotReady(f"its status is {level}")


async def _import(server: Server, name: str, content: bytes) -> None:
    answer = await server.patiently(
        lambda: server.client.upload("api/saved_objects/_import", name, content, HEADERS, overwrite="true")
    )
    wanted, taken = len(content.splitlines()), answer["successCount"]
    if not answer["success"] or taken != wanted:
        reasons = "; ".join(_reason(error) for error in answer.get("errors", [])) or "it does not say why"
        raise SetupFailed(
            f"{server.name} at {server.client.url}: {taken} of {wanted} objects of {name} were imported: {reasons}"
        )
    server.tell(f"objects: {taken} of {name}")


def _reason(error: Mapping[str, Any]) -> str:
    cause = error.get("error", {})
    return f"{error.get('type')} {error.get('id')}: {cause.get('message') or cause.get('type')}"
