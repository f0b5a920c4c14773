"""As much of Kibana's HTTP API as the set-up uses, each request checked against what is documented.

Sources: Kibana's API reference, operations `get-status`, `put-security-role-name` and `post-saved-objects-import`
(elastic.co/docs/api/doc/kibana); which features there are from the roles of Kibana's own tests (`discover_v2`, ...).
"""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import BodyPartReader, web

from support.documented import Documented, Undocumented, keys

FEATURES = {"dashboard_v2", "discover_v2", "visualize_v2"}
OPTIONS = {"overwrite", "createNewCopies", "compatibilityMode"}
Key = tuple[str, str]


@dataclass
class FakeKibana(Documented):
    """Keeps roles and saved objects; refuses to import the objects whose ids are in `refused`."""

    level: str = "available"
    roles: dict[str, Any] = field(default_factory=dict)
    objects: dict[Key, Any] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer as Kibana would."""
        if request.method == "GET" and request.path == "/api/status":
            return web.json_response({"status": {"overall": {"level": self.level}}})
        if "kbn-xsrf" not in request.headers:
            raise Undocumented("a change without the header kbn-xsrf")
        if request.method == "PUT" and request.path.startswith("/api/security/role/"):
            self.roles[request.path.rpartition("/")[2]] = role(await request.json())
            return web.Response(status=HTTPStatus.NO_CONTENT)
        if request.method == "POST" and request.path == "/api/saved_objects/_import":
            return web.json_response(self._imported(await uploaded(request), request.query))
        raise Undocumented("no such path")

    def _imported(self, sent: list[Any], options: Any) -> dict[str, Any]:
        if options.keys() - OPTIONS or {options[name] for name in options} - {"true", "false"}:
            raise Undocumented(f"the options {dict(options)}")
        known = self.objects.keys() | {(each["type"], each["id"]) for each in sent}
        errors = [
            {"type": each["type"], "id": each["id"], "error": {"type": kind}}
            for each in sent
            if (kind := self._error(each, known, overwrite=options.get("overwrite") == "true"))
        ]
        taken = [each for each in sent if (each["type"], each["id"]) not in {(e["type"], e["id"]) for e in errors}]
        self.objects |= {(each["type"], each["id"]): each for each in taken}
        answer = {"success": not errors, "successCount": len(taken)}
        return {**answer, "errors": errors} if errors else answer

    def _error(self, each: Any, known: set[Key], *, overwrite: bool) -> str:
        if each["id"] in self.refused:
            return "unsupported_type"
        if not {(reference["type"], reference["id"]) for reference in each["references"]} <= known:
            return "missing_references"
        return "" if overwrite or (each["type"], each["id"]) not in self.objects else "conflict"


def role(body: Any) -> Any:
    """A role as the API takes it; raises Undocumented."""
    keys("a role", body, (), ("description", "metadata", "elasticsearch", "kibana"))
    keys("elasticsearch", body["elasticsearch"], (), ("cluster", "indices", "remote_indices", "run_as"))
    for privileges in body["kibana"]:
        keys("privileges", privileges, ("spaces",), ("base", "feature"))
        if privileges.get("base") and privileges.get("feature"):
            raise Undocumented("base and feature privileges at once")
        allowed = {name for names in privileges["feature"].values() for name in names}
        if privileges["feature"].keys() - FEATURES or allowed - {"all", "read"}:
            raise Undocumented(f"the features {privileges['feature']}")
    return body


async def uploaded(request: web.Request) -> list[Any]:
    """The objects in the form's only field, a file of newline-delimited JSON; raises Undocumented."""
    if request.content_type != "multipart/form-data":
        raise Undocumented(f"a body of {request.content_type}")
    files = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name != "file" or not (part.filename or "").endswith(".ndjson"):
            raise Undocumented("a part that is no file of newline-delimited JSON")
        files.append((await part.read(decode=True)).decode())
    if len(files) != 1:
        raise Undocumented(f"{len(files)} files")
    sent = [json.loads(line) for line in files[0].splitlines()]
    allowed = ("coreMigrationVersion", "typeMigrationVersion", "managed")
    return [keys("an object", each, ("type", "id", "attributes", "references"), allowed) for each in sent]
