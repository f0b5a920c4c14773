"""The aggregation that a Lens layer asks of Elasticsearch; an operation that is not known here is refused.

As Kibana's data plugin makes it (`search/aggs`): buckets within buckets in the order of the columns, metrics in the
innermost, a metric that orders values beside them too, a metric's own query as a filter round it.
"""

from collections.abc import Mapping
from typing import Any

from support import kql

RECORDS = "___records___"


def layers(panel: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a panel by value."""
    states = panel["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]
    return list(states.values())


def query(panel: Mapping[str, Any]) -> str:
    """The KQL of a panel by value."""
    asked = panel["embeddableConfig"]["attributes"]["state"]["query"]
    assert "kuery" == asked["language"]
    return str(asked["query"])


def fields(panel: Mapping[str, Any]) -> set[str]:
    """Every field that a panel asks about."""
    columns = [column for layer in layers(panel) for column in layer["columns"].values()]
    queries = [query(panel), *(column["filter"]["query"] for column in columns if "filter" in column)]
    asked = {name for text in queries for name in kql.translate(text).fields}
    return (asked | {column["sourceField"] for column in columns}) - {RECORDS}


def aggregations(layer: Mapping[str, Any]) -> dict[str, Any]:
    """What a layer asks for, by the ids of its columns."""
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    asked = {name: _metric(column) for name, column in columns if not column["isBucketed"]}
    for name, column in reversed([each for each in columns if each[1]["isBucketed"]]):
        bucket = _bucket(column, layer["columns"])
        ordering = {
            by: _metric(layer["columns"][by]) for by in bucket.get("terms", {}).get("order", {}) if by[0] != "_"
        }
        asked = {name: {**bucket, "aggs": {**asked, **ordering}}}
    return asked


def values(answer: Mapping[str, Any], layer: Mapping[str, Any]) -> list[float]:
    """The numbers in an answer: of each metric in each innermost bucket."""
    buckets = [name for name in layer["columnOrder"] if layer["columns"][name]["isBucketed"]]
    rows = [answer]
    for name in buckets:
        rows = [row for outer in rows for row in outer[name]["buckets"]]
    metrics = [name for name in layer["columnOrder"] if name not in buckets]
    return [value for row in rows for name in metrics if (value := _value(row[name])) is not None]


def _bucket(column: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    match column["operationType"]:
        case "date_histogram":
            assert "auto" == column["params"]["interval"]
            return {"date_histogram": {"field": column["sourceField"], "fixed_interval": "1s"}}
        case "terms":
            asked = {"field": column["sourceField"], "size": column["params"]["size"]}
            return {"terms": {**asked, "order": _order(column["params"], columns)}}
        case other:
            raise NotImplementedError(other)


def _order(parameters: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, str]:
    match parameters["orderBy"]:
        case {"type": "alphabetical"}:
            return {"_key": parameters["orderDirection"]}
        case {"type": "column", "columnId": name}:
            counted = columns[name]["operationType"] == "count" and "filter" not in columns[name]
            return {"_count" if counted else name: parameters["orderDirection"]}
        case other:
            raise NotImplementedError(str(other))


def _metric(column: Mapping[str, Any]) -> dict[str, Any]:
    narrowed = kql.translate(column["filter"]["query"]).dsl if "filter" in column else {"match_all": {}}
    match column["operationType"]:
        case "count":
            assert RECORDS == column["sourceField"]
            return {"filter": narrowed}
        case "max":
            return {"max": {"field": column["sourceField"]}}
        case "percentile":
            return {"percentiles": {"field": column["sourceField"], "percents": [column["params"]["percentile"]]}}
        case other:
            raise NotImplementedError(other)


def _value(answer: Mapping[str, Any]) -> float | None:
    if "doc_count" in answer:
        return float(answer["doc_count"]) or None
    if "values" in answer:
        (only,) = answer["values"].values()
        return None if only is None else float(only)
    return None if answer["value"] is None else float(answer["value"])
