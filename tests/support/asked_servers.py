"""What a test asks the servers that watch a run: Prometheus, Tempo and Elasticsearch, as Grafana asks them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT = 60.0


class Refused(AssertionError):  # noqa: N818  what the server did
    """A server does not take a question."""


def ask(url: str, body: Any = None) -> Any:
    """The decoded answer; raises Refused with the server's own words when it is an error."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=TIMEOUT) as answer:
            return json.loads(answer.read())
    except HTTPError as error:
        raise Refused(f"{url}: {error.code} {error.read().decode()}") from error


@dataclass(frozen=True)
class Prometheus:
    """The Prometheus at a URL; answers are the values of each series."""

    url: str

    def now(self, promql: str, at: float | None = None) -> list[list[float]]:
        """At one moment, this one unless another is given; one value of each series."""
        parameters = {"query": promql} | ({} if at is None else {"time": str(at)})
        found = ask(f"{self.url}/api/v1/query?{urlencode(parameters)}")["data"]
        if found["resultType"] == "scalar":
            return [[float(found["result"][1])]]
        return [[float(series["value"][1])] for series in found["result"]]

    def during(self, promql: str, span: tuple[float, float], step: float) -> list[list[float]]:
        """From one time to another, each `step` seconds."""
        parameters = {"query": promql, "start": str(span[0]), "end": str(span[1]), "step": str(step)}
        found = ask(f"{self.url}/api/v1/query_range?{urlencode(parameters)}")["data"]["result"]
        return [[float(value) for _, value in series["values"]] for series in found]


def moves(answer: Sequence[Sequence[float]]) -> bool:
    """Whether an answer has a value that is a number and not zero."""
    return any(value != 0 and not math.isnan(value) for series in answer for value in series)


@dataclass(frozen=True)
class Elasticsearch:
    """The Elasticsearch at a URL, asked as Grafana's data source does."""

    url: str
    index: str

    def count(self, lucene: str) -> int:
        """How many log lines a query finds."""
        ask(f"{self.url}/_all/_refresh")
        return int(ask(f"{self.url}/{self.index}/_count", {"query": _query(lucene)})["count"])

    def answer(self, lucene: str, target: Mapping[str, Any]) -> list[float]:
        """The numbers that a panel draws, or the number of lines that it lists."""
        buckets = target.get("bucketAggs", [])
        if not buckets:
            return [float(self.count(lucene))]
        metrics = {each["id"]: each for each in target["metrics"]}
        wanted = {name: _metric(each) for name, each in metrics.items() if each["type"] != "count"}
        for bucket in reversed(buckets):
            wanted = {bucket["id"]: {**_bucket(bucket), **({"aggs": wanted} if wanted else {})}}
        body = {"size": 0, "query": _query(lucene), "aggs": wanted}
        rows = [ask(f"{self.url}/{self.index}/_search", body)["aggregations"]]
        for bucket in buckets:
            rows = [row for outer in rows for row in outer[bucket["id"]]["buckets"]]
        return [
            float(value)
            for row in rows
            for name, metric in metrics.items()
            if (value := row["doc_count"] if metric["type"] == "count" else row[name]["value"]) is not None
        ]


def _query(lucene: str) -> Mapping[str, Any]:
    return {"query_string": {"query": lucene, "analyze_wildcard": True}}


def _metric(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    return {metric["type"]: {"field": metric["field"]}}


def _bucket(bucket: Mapping[str, Any]) -> Mapping[str, Any]:
    if bucket["type"] == "date_histogram":
        return {"date_histogram": {"field": bucket["field"], "fixed_interval": "10s"}}
    assert "terms" == bucket["type"], f"not known here: {bucket}"
    return {"terms": {"field": bucket["field"], "size": int(bucket["settings"]["size"])}}


def traces(url: str, traceql: str, span: tuple[float, float]) -> list[Mapping[str, Any]]:
    """The traces that a query finds in the Tempo at a URL, within two times."""
    parameters = {"q": traceql, "start": str(int(span[0])), "end": str(int(span[1]) + 1), "limit": "20"}
    return list(ask(f"{url}/api/search?{urlencode(parameters)}").get("traces", []))
