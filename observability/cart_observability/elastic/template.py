"""How Elasticsearch keeps log lines: mappings from the signal matrix, index settings, lifecycle, data streams.

python -m cart_observability.elastic.template observability/signals.yaml elk/elasticsearch

Sources: Elastic's documentation of mapping parameters, index modules, composable index templates and index lifecycle
management, and the built-in template `logs` of Elasticsearch 9, which these come before.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cart_observability.elastic.client import Client, ElasticError
from cart_observability.signals import Matrix, read

LINES: Final = "logs-cartscope-default"
"""The data stream of Cartscope's own log lines."""
UNPARSED: Final = "logs-unparsed-cartscope"
"""The data stream of lines that are no log line, or that a mapping refused: `event.original`, with the error."""
STACK: Final = "logs-stack-cartscope"
"""The data stream of what the servers say: RabbitMQ, Redis and the rest of the stack."""

RETENTION: Final = "7d"
"""How long lines are kept after their part of the stream was closed, which is after a day at the latest."""
LONGEST_KEYWORD: Final = 1_024
"""Characters of the longest value that can be searched for as a whole; a longer one is kept in the document alone."""

_KEYWORD: Final = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "keyword": _KEYWORD,
    # Filters, tables and counts need the whole value; scores by length (norms) nobody reads in logs.
    "text": {"type": "text", "norms": False, "fields": {"keyword": _KEYWORD}},
}

SHIPPED: Final[Mapping[str, Mapping[str, Any]]] = {
    "event.ingested": {"type": "date"},
    "cartscope.shipping.delay": {"type": "long"},
    "log.file.path": _KEYWORD,
    "host.name": _KEYWORD,
    "tags": _KEYWORD,
    "event.original": {"type": "keyword", "index": False, "doc_values": False},
}
"""The fields that whoever ships a line adds: when it came, ms after it was logged, from where; if unparsed, itself."""

_POLICY, _MAPPINGS, _SETTINGS, _INDEX = "cartscope-logs", "cartscope-mappings", "cartscope-settings", "logs-cartscope"
_LIFECYCLE: Final = "index.lifecycle.name"
_FOLDERS: Final = {
    "lifecycle-policy": "_ilm/policy",
    "component-template": "_component_template",
    "index-template": "_index_template",
}
"""Where each kind of object is put, in the order in which they need one another."""

Objects = Mapping[str, Any]
"""Bodies by the path that each is put to, in order."""


def mapped(matrix: Matrix) -> dict[str, Mapping[str, Any]]:
    """How each field of a line is mapped, by its dotted name."""
    own = {name: _TYPES.get(field.type, {"type": field.type}) for name, field in matrix.fields.items()}
    return dict(sorted({**own, **SHIPPED}.items()))


def objects(matrix: Matrix) -> Objects:
    """Everything that Elasticsearch is told about log lines."""
    return {
        f"_ilm/policy/{_POLICY}": {"policy": _policy()},
        f"_component_template/{_MAPPINGS}": {
            # A field that the matrix does not know stays in the document: it is never refused, and never a new field.
            "template": {"mappings": {"dynamic": False, "properties": mapped(matrix)}}
        },
        f"_component_template/{_SETTINGS}": {"template": {"settings": _settings()}},
        f"_index_template/{_INDEX}": {
            "index_patterns": ["logs-cartscope-*", UNPARSED, STACK],
            # Above 500, so that none of the built-in templates for logs-*-* applies.
            "priority": 501,
            "data_stream": {},
            "composed_of": [_MAPPINGS, _SETTINGS],
        },
    }


def _policy() -> dict[str, Any]:
    rollover = {"max_age": "1d", "max_primary_shard_size": "5gb"}
    return {
        "phases": {
            "hot": {"actions": {"rollover": rollover}},
            "delete": {"min_age": RETENTION, "actions": {"delete": {}}},
        }
    }


def _settings() -> dict[str, Any]:
    return {
        _LIFECYCLE: _POLICY,
        # Said because Elasticsearch 9 gives streams of this name the mode logsdb, which keeps malformed values unseen.
        "index.mode": "standard",
        "index.codec": "best_compression",
        "index.number_of_shards": 1,
        "index.number_of_replicas": 0,
        "index.refresh_interval": "5s",
    }


async def install(client: Client, wanted: Objects) -> list[str]:
    """Put everything in place, over what is there; gives the paths that were put.

    Elasticsearch's bare core knows no lifecycle policies: there it goes without.

    Raises ElasticError when something is refused, aiohttp.ClientError or TimeoutError when nobody answers.
    """
    put = []
    lifecycle = True
    for path, body in wanted.items():
        try:
            await client.ask("PUT", path, body if lifecycle else without_lifecycle(body))
        except ElasticError as error:
            if not (path.startswith("_ilm/") and "no handler found" in str(error)):
                raise
            lifecycle = False
            continue
        put.append(path)
    return put


def without_lifecycle(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A template that names no lifecycle policy."""
    settings = body.get("template", {}).get("settings")
    if settings is None:
        return body
    kept = {name: value for name, value in settings.items() if name != _LIFECYCLE}
    return {**body, "template": {**body["template"], "settings": kept}}


def write(wanted: Objects, folder: Path) -> None:
    """Write each object into a file of its own, `NAME.KIND.json`."""
    for path, body in wanted.items():
        parent, _, name = path.rpartition("/")
        kind = next(kind for kind, place in _FOLDERS.items() if place == parent)
        (folder / f"{name}.{kind}.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> Objects:
    """The objects that `write` wrote; raises ValueError when there are none."""
    found = {
        f"{place}/{file.name.removesuffix(f'.{kind}.json')}": json.loads(file.read_text(encoding="utf-8"))
        for kind, place in _FOLDERS.items()
        for file in sorted(folder.glob(f"*.{kind}.json"))
    }
    if not found:
        raise ValueError(f"{folder} holds no templates of Elasticsearch")
    return found


if __name__ == "__main__":
    write(objects(read(Path(sys.argv[1]))), Path(sys.argv[2]))
