"""What the core of Elasticsearch lacks, security and data streams, in front of a real one that answers the rest.

Each request is checked against what is documented: Elasticsearch's API reference, operations
`security-change-password`, `security-put-role`, `security-put-user`, `indices-create-data-stream` and
`indices-get-data-stream` (elastic.co/docs/api/doc/elasticsearch), and the list of privileges in its reference.
"""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from support.documented import Documented, Undocumented, keys

CLUSTER = {"monitor", "manage", "all", "manage_ilm", "manage_index_templates", "read_ilm"}
INDEX = {
    "all", "auto_configure", "create", "create_doc", "create_index", "delete", "index", "maintenance", "manage",
    "monitor", "read", "view_index_metadata", "write",
}  # fmt: skip
ROLE = ("applications", "cluster", "description", "global", "indices", "metadata", "run_as", "remote_indices")
USER = ("password", "full_name", "email", "metadata", "enabled")
SHORTEST_PASSWORD = 6


@dataclass
class FakeElasticsearch(Documented):
    """Keeps passwords, roles, users and data streams; everything else goes to `backend`, where one is named."""

    backend: str | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Any] = field(default_factory=dict)
    users: dict[str, Any] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer as Elasticsearch would."""
        body = await request.json() if request.can_read_body else None
        match [request.method, *request.path.strip("/").split("/")]:
            case ["PUT", "_security", "user", user, "_password"]:
                self.passwords[user] = password(keys("a password", body, ("password",)))
                return web.json_response({})
            case ["PUT", "_security", "role", name]:
                self.roles[name] = role(body)
                return web.json_response({"role": {"created": True}})
            case ["PUT", "_security", "user", name]:
                self.users[name] = keys("a user", body, ("roles",), USER)
                password(body)
                return web.json_response({"created": True})
            case [("GET" | "PUT") as method, "_data_stream", name]:
                return self._stream(method, name, body)
            case ["GET", "_cluster", "health"] | ["PUT", "_ilm" | "_component_template" | "_index_template", *_]:
                return await self._passed_on(request)
        raise Undocumented("no such path")

    def _stream(self, method: str, name: str, body: Any) -> web.Response:
        if body is not None or name != name.lower():
            raise Undocumented(f"the data stream {name} with a body {body}")
        if method == "GET" and name not in self.streams:
            return web.json_response({"error": {"reason": f"no such index [{name}]"}, "status": 404}, status=404)
        if method == "PUT" and name in self.streams:
            return web.json_response({"error": {"reason": f"data_stream [{name}] already exists"}}, status=400)
        self.streams.add(name)
        return web.json_response({"data_streams": [{"name": name}]} if method == "GET" else {"acknowledged": True})

    async def _passed_on(self, request: web.Request) -> web.Response:
        if self.backend is None:
            return web.json_response({"acknowledged": True})
        types = {name: value for name, value in request.headers.items() if name == "Content-Type"}
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                request.method, f"{self.backend}{request.path_qs}", data=await request.read(), headers=types
            ) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")


def role(body: Any) -> Any:
    """A role as the API takes it; raises Undocumented."""
    keys("a role", body, (), ROLE)
    for privileges in body["indices"]:
        keys("index privileges", privileges, ("names", "privileges"), ("field_security", "query"))
        if unknown := set(privileges["privileges"]) - INDEX:
            raise Undocumented(f"the privileges {sorted(unknown)}")
    if unknown := set(body["cluster"]) - CLUSTER:
        raise Undocumented(f"the cluster privileges {sorted(unknown)}")
    return body


def password(body: Any) -> str:
    """The password in a body; raises Undocumented for one that the server would not take."""
    if len(body["password"]) < SHORTEST_PASSWORD:
        raise Undocumented("a password of fewer than 6 characters")
    return str(body["password"])
