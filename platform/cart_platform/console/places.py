"""Where everything in the stack is: its servers, and the dashboards and searches that this repository gives them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cart_platform.errors import UsageError

GRAFANA, KIBANA = 3000, 5601
FIRST = "event-way"
"""The uid of the dashboard to begin with."""


@dataclass(frozen=True, slots=True)
class Link:
    """A page on the visitor's machine: a port there, and a path."""

    title: str
    about: str
    port: int
    path: str

    def url(self, host: str) -> str:
        """Where the page is for a visitor who calls this machine `host`."""
        return f"http://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the stack: its page, if it has one for people, and an address inside the stack that shows its health.

    Any answer but a server error counts as health: Elasticsearch asks for a password and is well.
    """

    name: str
    about: str
    check: str
    port: int | None = None
    path: str = "/"

    @property
    def page(self) -> Link | None:
        """Its page for people."""
        return Link(self.name, self.about, self.port, self.path) if self.port else None


SERVERS = (
    Server("API", "takes commands and answers questions; try it here", "http://api:8000/readyz", 8000, "/docs"),
    Server("Grafana", "dashboards, and traces under Explore", "http://grafana:3000/api/health", GRAFANA),
    Server("Kibana", "log lines of every process and server", "http://kibana:5601/api/status", KIBANA),
    Server("Prometheus", "metrics, rules and alerts", "http://prometheus:9090/-/ready", 9090, "/alerts"),
    Server("Alertmanager", "groups alerts and sends them", "http://alertmanager:9093/-/ready", 9093),
    Server("RabbitMQ", "queues, connections and messages", "http://rabbitmq:15672/", 15672, "/#/queues"),
    Server("Mailpit", "the e-mails of the shop and of alerts", "http://mailpit:8025/readyz", 8025),
    Server("Elasticsearch", "keeps log lines; Kibana shows them", "http://elasticsearch:9200/"),
    Server("Tempo", "keeps traces; Grafana shows them", "http://tempo:3200/ready"),
)


@dataclass(frozen=True, slots=True)
class Places:
    """Everything that the page leads to."""

    dashboards: Sequence[Link]
    logs: Sequence[Link]
    servers: Sequence[Server] = SERVERS


def read_places(dashboards: Path, kibana: Path) -> Places:
    """The places that the files of two folders tell of: Grafana's dashboards and Kibana's exported objects.

    Raises:
        UsageError: naming a file that cannot be read as such, or a folder that has none.
    """
    return Places(_ordered(dashboards), list(_kibana(kibana)))


def _ordered(folder: Path) -> Sequence[Link]:
    boards = [board for file in _files(folder, "*.json") for board in _objects(file)]
    boards.sort(key=lambda board: (board.get("uid") != FIRST, board.get("title", "")))
    return [
        Link(board["title"], board.get("description", ""), GRAFANA, f"/d/{board['uid']}")
        for board in boards
        if "uid" in board and "title" in board
    ]


VIEWS = {"dashboard": "/app/dashboards#/view/", "search": "/app/discover#/view/"}
"""Where Kibana shows an object, by its type."""


def _kibana(folder: Path) -> Iterator[Link]:
    objects = [thing for file in _files(folder, "*.ndjson") for thing in _objects(file)]
    for kind, view in VIEWS.items():
        for thing in objects:
            if thing.get("type") == kind:
                attributes = thing["attributes"]
                yield Link(attributes["title"], attributes.get("description", ""), KIBANA, f"{view}{thing['id']}")


def _files(folder: Path, pattern: str) -> Sequence[Path]:
    files = sorted(folder.glob(pattern))
    if not files:
        raise UsageError(f"there is no {pattern} in {folder}")
    return files


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    """A JSON file is one object, an NDJSON file one a line."""
    text = file.read_text(encoding="utf-8")
    try:
        for part in text.splitlines() if file.suffix == ".ndjson" else [text]:
            if part.strip():
                yield json.loads(part)
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
