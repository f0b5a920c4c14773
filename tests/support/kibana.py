"""Reads Kibana's objects as Kibana would: from the file that is imported, and with their texts unfolded."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "elk/kibana/cartscope.ndjson"

Object = Mapping[str, Any]


def objects() -> list[Object]:
    """Every object, in the order of the file."""
    return [json.loads(line) for line in FILE.read_text().splitlines()]


def of_type(kind: str) -> dict[str, Object]:
    """The objects of a type by their id."""
    return {each["id"]: each for each in objects() if each["type"] == kind}


def search_of(search: Object) -> tuple[str, list[str], list[list[str]]]:
    """The KQL, the columns and the order of a Discover session's only tab."""
    (tab,) = search["attributes"]["tabs"]
    source = json.loads(tab["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert ("kuery", []) == (source["query"]["language"], source["filter"])
    return source["query"]["query"], tab["attributes"]["columns"], tab["attributes"]["sort"]


def panels(dashboard: Object) -> list[Object]:
    """The panels of a dashboard."""
    return list(json.loads(dashboard["attributes"]["panelsJSON"]))


def reference_names(value: Any) -> Iterator[str]:
    """The names by which an object's own parts speak of its references, in texts that hold JSON too."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        yield from reference_names(json.loads(value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key.endswith("RefName"):
                yield inner
            else:
                yield from reference_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from reference_names(inner)
