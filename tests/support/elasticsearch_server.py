"""A throwaway Elasticsearch on free ports, with a data folder of its own, and what a test asks it."""

import json
from typing import Any
from urllib.request import Request, urlopen

from cart_platform.native import elasticsearch_server, installed
from cart_platform.native.ports import LOOPBACK, free_ports
from cart_platform.native.program import Program
from support.servers import Server


class ElasticsearchServer(Server):
    """An Elasticsearch, configured as `cartscope native` configures its own."""

    @staticmethod
    def available() -> bool:
        """Whether elasticsearch is installed, or its core laid out."""
        return installed.elasticsearch() is not None

    def __init__(self) -> None:
        self._ports = free_ports(2)
        super().__init__()

    def _program(self) -> Program:
        return elasticsearch_server.program(installed.elasticsearch() or "elasticsearch", self.folder, *self._ports)

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://{LOOPBACK}:{self._ports[0]}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer to a request; raises HTTPError when it is an error."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=600) as answer:
            return json.loads(answer.read() or b"null")

    def count(self, index: str, query: Any = None) -> int:
        """How many documents match a query, or are there at all; what was indexed until now is counted."""
        self.ask("POST", f"{index}/_refresh?ignore_unavailable=true")
        found = self.ask("POST", f"{index}/_count?ignore_unavailable=true", {"query": query or {"match_all": {}}})
        return int(found["count"])

    def documents(self, index: str, query: Any = None, size: int = 100) -> list[dict[str, Any]]:
        """The sources of documents that match a query."""
        self.ask("POST", f"{index}/_refresh?ignore_unavailable=true")
        body = {"query": query or {"match_all": {}}, "size": size}
        hits = self.ask("POST", f"{index}/_search?ignore_unavailable=true", body)["hits"]["hits"]
        return [hit["_source"] for hit in hits]
