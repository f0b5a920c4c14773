"""A table that puts what several expressions say about the same thing side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, Threshold

from cart_observability.dashboards import panels
from cart_observability.dashboards.queries import rows


@dataclass(frozen=True)
class Column:
    """What one expression says of each row; coloured by size with `thresholds`."""

    title: str
    unit: str
    promql: str
    thresholds: Sequence[Threshold] = ()


def side_by_side(title: str, description: str, *columns: Column) -> tables.Panel:
    """A row for each set of labels; all expressions give the same labels."""
    named = {f"Value #{letter}": column.title for letter, column in zip(ascii_uppercase, columns, strict=False)}
    panel = panels.table(title, description, "short", *(rows(column.promql) for column in columns)).transformations(
        [
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": named}),
        ]
    )
    for column in columns:
        panel.override_by_name(column.title, _properties(column))
    return panel


def _properties(column: Column) -> list[DynamicConfigValue]:
    properties = [DynamicConfigValue("unit", column.unit)]
    if column.thresholds:
        levels = [threshold.to_json() for threshold in column.thresholds]
        properties += [
            DynamicConfigValue("thresholds", {"mode": "absolute", "steps": levels}),
            DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
    return properties
