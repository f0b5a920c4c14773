"""Lens: charts and tables made from the columns of one layer, each an aggregation of the data view's documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cart_observability.kibana.data_views import reference
from cart_observability.kibana.saved_object import Reference

LAYER = "layer"
REFERENCE = reference(f"indexpattern-datasource-layer-{LAYER}")
RECORDS = "___records___"
"""Stands for the documents themselves, where no field is counted."""


@dataclass(frozen=True)
class Column:
    """One column of a layer: an operation on a field, or on the documents; `query` (KQL) narrows a metric."""

    id: str
    operation: str
    label: str
    source: str
    type: str = "number"
    bucketed: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in a layer."""
        narrowed = {"filter": {"query": self.query, "language": "kuery"}} if self.query else {}
        return {
            "operationType": self.operation,
            "label": self.label,
            "customLabel": True,
            "sourceField": self.source,
            "dataType": self.type,
            "isBucketed": self.bucketed,
            "params": dict(self.parameters),
            **narrowed,
        }


def count(label: str = "lines", query: str = "") -> Column:
    """How many documents."""
    return Column("count", "count", label, RECORDS, parameters={"emptyAsNull": False}, query=query)


def percentile(source: str, percent: int) -> Column:
    """A percentile of a field, in the format of the data view."""
    name = f"p{percent}"
    return Column(name, "percentile", name, source, parameters={"percentile": percent})


def maximum(source: str, label: str) -> Column:
    """The largest value of a field."""
    return Column("max", "max", label, source, parameters={"emptyAsNull": True})


def over_time() -> Column:
    """Buckets of time, as long as suits the chart."""
    parameters = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    return Column("time", "date_histogram", "time", "@timestamp", "date", bucketed=True, parameters=parameters)


def top(source: str, label: str, size: int, by: Column | None = None) -> Column:
    """The values of a field for which a metric is largest, or the first in the alphabet; at most so many."""
    alphabet = {"type": "alphabetical", "fallback": False}
    parameters = {
        "size": size,
        "orderBy": {"type": "column", "columnId": by.id} if by else alphabet,
        "orderDirection": "desc" if by else "asc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
    }
    return Column(f"top-{source}", "terms", label, source, "string", bucketed=True, parameters=parameters)


@dataclass(frozen=True)
class Lens:
    """A chart, table or number: `kind` is Lens' name of it, `visualization` says which column stands where."""

    kind: str
    columns: Sequence[Column]
    visualization: Mapping[str, Any]
    query: str = ""

    @property
    def references(self) -> tuple[Reference, ...]:
        """The data view of the layer."""
        return (REFERENCE,)

    def as_json(self) -> dict[str, Any]:
        """The attributes of a panel by value."""
        layer = {
            "columnOrder": [column.id for column in self.columns],
            "columns": {column.id: column.as_json() for column in self.columns},
            "ignoreGlobalFilters": False,
            "incompleteColumns": {},
            "sampling": 1,
        }
        return {
            "title": "",
            "version": 2,
            "visualizationType": self.kind,
            "references": [reference.as_json() for reference in self.references],
            "state": {
                "adHocDataViews": {},
                "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
                "filters": [],
                "internalReferences": [],
                "query": {"language": "kuery", "query": self.query},
                "visualization": self.visualization,
            },
        }


def number(metric: Column, query: str = "", colour: str | None = None) -> Lens:
    """One number; the shape of the export's `lnsMetric`."""
    shown = {"color": colour} if colour else {}
    return Lens("lnsMetric", [metric], _of_layer(metricAccessor=metric.id, **shown), query)


def series(kind: str, x: Column, split: Column, metrics: Sequence[Column], query: str = "") -> Lens:
    """Lines or bars over x, one for each value of the split; the shape of the export's `lnsXY`.

    Args:
        kind: line, bar, bar_stacked, bar_horizontal or bar_horizontal_stacked.
        x: What runs along.
        split: What tells series apart.
        metrics: What is drawn.
        query: KQL that narrows the documents.
    """
    layer = _of_layer(
        seriesType=kind, xAccessor=x.id, splitAccessors=[split.id], accessors=[metric.id for metric in metrics]
    )
    visualization = {
        "preferredSeriesType": kind,
        "layers": [layer],
        "legend": {"isVisible": True, "position": "right", "legendSize": "auto", "shouldTruncate": False},
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
    }
    return Lens("lnsXY", [x, split, *metrics], visualization, query)


def table(buckets: Sequence[Column], metrics: Sequence[Column], query: str = "") -> Lens:
    """A row for each combination of the buckets' values, largest first; the shape of the export's `lnsDatatable`."""
    shown: list[dict[str, Any]] = [{"columnId": column.id} for column in buckets]
    shown += [{"columnId": column.id, "isMetric": True, "isTransposed": False} for column in metrics]
    sorting = {"columnId": metrics[0].id, "direction": "desc"}
    return Lens("lnsDatatable", [*buckets, *metrics], _of_layer(columns=shown, sorting=sorting), query)


def _of_layer(**options: Any) -> dict[str, Any]:
    return {"layerId": LAYER, "layerType": "data", **options}
