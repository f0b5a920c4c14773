"""Every query of a dashboard, in the words of the server that answers it: Grafana's variables are filled in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CHOSEN: Final = {"prometheus": ".*", "tempo": ".*", "elasticsearch": "*"}
"""What stands for «all values» of a variable, by data source."""

TIMES: Final = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__interval_ms": "15000",
    "__range": "15m",
    "__range_s": "900",
    "__range_ms": "900000",
}

_VARIABLE: Final = re.compile(r"\$(?:(?P<bare>[a-z_]\w*)|\{(?P<braced>\w+)(?::\w+)?\})")
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<series>.+),\s*(?P<label>\w+)\)")


@dataclass(frozen=True)
class Query:
    """One question to one data source.

    Attributes:
        dashboard: Its uid.
        where: The panel's title, or the name of the variable or annotation, and the letter of a panel's query.
        kind: What asks.
        source: The uid of the data source.
        text: PromQL, TraceQL or Lucene that the server takes as it is.
        instant: Whether Prometheus is asked for one moment, and not for a time range.
        visible: Whether Grafana asks it when the dashboard opens, with no row opened.
        target: The query as it stands in the dashboard, for what else it says (Elasticsearch's metrics and buckets).
    """

    dashboard: str
    where: str
    kind: Literal["panel", "variable", "annotation"]
    source: str
    text: str
    instant: bool = False
    visible: bool = True
    target: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.where}: {self.text}"


def queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """All queries of a dashboard: of its panels, those in closed rows included, its variables and its annotations.

    Raises:
        ValueError: A query names a variable that neither Grafana nor the dashboard has.
    """
    uid = dashboard["uid"]
    own = {each["name"] for each in dashboard["templating"]["list"]}
    for panel, visible in panels(dashboard):
        for target in panel.get("targets", []):
            source = target["datasource"]["uid"]
            text = filled(target["expr"] if source == "prometheus" else target["query"], source, own)
            where = f"{panel['title']} {target['refId']}"
            yield Query(uid, where, "panel", source, text, target.get("instant", False), visible, target)
    for variable in dashboard["templating"]["list"]:
        match = _LABEL_VALUES.fullmatch(variable["query"])
        if match is None:
            raise ValueError(f"not understood: {variable['query']}")
        source = variable["datasource"]["uid"]
        text = f"group by ({match['label']}) ({filled(match['series'], source, own)})"
        yield Query(uid, variable["name"], "variable", source, text, instant=True, target=variable)
    for annotation in dashboard["annotations"]["list"]:
        source, target = annotation["datasource"]["uid"], annotation["target"]
        text = filled(target["expr"] if source == "prometheus" else target["query"], source, own)
        yield Query(uid, annotation["name"], "annotation", source, text, target=target)


def panels(dashboard: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Every panel that is no row, and whether it is seen with no row opened."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from ((each, False) for each in panel["panels"])
        else:
            yield panel, True


def filled(text: str, source: str, own: set[str]) -> str:
    """A query with its variables filled in, as if all values of the dashboard's `own` were chosen."""

    def value(match: re.Match[str]) -> str:
        name = match["bare"] or match["braced"]
        if name in own:
            return CHOSEN[source]
        if name in TIMES:
            return TIMES[name]
        raise ValueError(f"no such variable, ${name}: {text}")

    return _VARIABLE.sub(value, text)
