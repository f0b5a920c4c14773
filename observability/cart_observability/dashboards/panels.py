"""Panels with the defaults of this project: each takes a title, what it means to a newcomer, a unit and its queries.

Every function returns the SDK's builder, so that a dashboard may say more: `.span(8)` for a third of the width (24),
`.height(6)` in rows of 30 pixels, `.decimals(0)`, `.links([...])`.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, statetimeline, timeseries, xychart
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import logs as log_panels
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import text as texts
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import xychart as xy
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.text import TextMode

from cart_observability.dashboards.style import BY_HANDLER, GOOD, Colours, fixed

Query = Builder[variants.Dataquery]

# How Grafana names the values of tables of several queries; a column keeps that name for matchers when it is renamed.
_FIRST_VALUE: Final = "Value #A"
_SECOND_VALUE: Final = "Value #B"


class _Overridable(Protocol):
    def override_by_regexp(self, regexp: str, properties: list[DynamicConfigValue]) -> Any: ...


_Panel = TypeVar("_Panel", bound=_Overridable)


def time_series(
    title: str, description: str, unit: str, *queries: Query, colours: Colours = BY_HANDLER, stacked: bool = False
) -> timeseries.Panel:
    """Curves over time, from zero up; `stacked` adds them up."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .targets(list(queries))
        .unit(unit)
        .min(0)
        .span(8)
        .height(8)
        .line_width(1)
        .fill_opacity(35 if stacked else 8)
        .show_points(options.VisibilityMode.NEVER)
        # A process that was away for less than this leaves no hole in its curve.
        .span_nulls(60_000)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .tooltip(_tooltip())
        .legend(_legend())
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    return coloured(panel, colours)


def stat(title: str, description: str, unit: str, query: Query, *, thresholds: Sequence[Threshold] = ()) -> stats.Panel:
    """The newest value, large, with the curve of the time range behind it; coloured by size with `thresholds`."""
    return (
        stats.Panel()
        .title(title)
        .description(description)
        .with_target(query)
        .unit(unit)
        .span(4)
        .height(4)
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(thresholds or [Threshold(color=GOOD)]))
    )


def heatmap(title: str, description: str, unit: str, query: Query) -> heatmaps.Panel:
    """How often each size came, over time; a dot is an exemplar, and leads to its trace. Takes `queries.buckets`."""
    return (
        heatmaps.Panel()
        .title(title)
        .description(description)
        .with_target(query)
        .unit(unit)
        .span(12)
        .height(8)
        .calculate(calculate=False)
        .y_axis(heatmaps.YAxisConfig().unit(unit))
        .color(heatmaps.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral"))
        .filter_values(heatmaps.FilterValueRange().le(1e-9))
        .show_y_histogram()
        .hide_legend()
    )


def table(title: str, description: str, unit: str, *queries: Query) -> tables.Panel:
    """Rows and columns; takes `queries.rows` or `queries.traces`. The unit is that of columns without their own."""
    panel = tables.Panel().title(title).description(description).targets(list(queries)).unit(unit)
    return panel.span(24).height(8).cell_height(options.TableCellHeight.SM)


def logs(title: str, description: str, query: Query) -> log_panels.Panel:
    """Log lines, the newest first; takes `queries.log_lines`."""
    panel = log_panels.Panel().title(title).description(description).with_target(query).span(24).height(10)
    return (
        panel.show_time(show_time=True)
        .wrap_log_message(wrap_log_message=True)
        .enable_log_details(enable_log_details=True)
        .sort_order(options.LogsSortOrder.DESCENDING)
    )


def text(title: str, markdown: str) -> texts.Panel:
    """Words; without a title, for a heading of its own. The description is the text itself."""
    panel = texts.Panel().title(title).description(title).mode(TextMode.MARKDOWN).content(markdown)
    return panel.span(24).height(3)


def states(
    title: str, description: str, *queries: Query, words: Sequence[tuple[float, str, str]]
) -> statetimeline.Panel:
    """A bar for each series that says in words what its value meant, and when: `words` are (value, word, colour)."""
    mapping = ValueMap(
        options={f"{value:g}": ValueMappingResult(text=word, color=colour) for value, word, colour in words}
    )
    panel = statetimeline.Panel().title(title).description(description).targets(list(queries)).span(12).height(6)
    return (
        panel.mappings([mapping]).merge_values(merge_values=True).show_value(options.VisibilityMode.AUTO).unit("none")
    )


def xy_by_label(
    title: str, description: str, across: tuple[str, str, Query], upward: tuple[str, str, Query], *, label: str
) -> xychart.Panel:
    """Points of one value against another at the same moment, a colour for each value of a label.

    `across` and `upward` are (name, unit, query); each query is `queries.rows_over_time` of series that have that label
    and no other, not even a name: the rows are joined by it and by time, then parted by it.
    """
    (x_name, x_unit, x_query), (y_name, y_unit, y_query) = across, upward
    renamed = {_FIRST_VALUE: x_name, _SECOND_VALUE: y_name}
    panel = (
        xychart.Panel()
        .title(title)
        .description(description)
        .targets([x_query, y_query])
        .span(12)
        .height(10)
        .transformations(
            [
                DataTransformerConfig(id_val="merge", options={}),
                DataTransformerConfig(id_val="organize", options={"renameByName": renamed}),
                DataTransformerConfig(id_val="partitionByValues", options={"fields": [label], "keepFields": False}),
            ]
        )
        .mapping(xy.SeriesMapping.AUTO)
        .series([_xy_series()])
        .show(xy.XYShowMode.POINTS)
        .point_size(xychart.XychartFieldConfigPointSize().fixed(5))
        .unit(y_unit)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .override_by_name(_FIRST_VALUE, _axis(x_name, x_unit))
        .override_by_name(_SECOND_VALUE, _axis(y_name, y_unit))
        .tooltip(_tooltip())
        .legend(_legend())
    )
    return coloured(panel, BY_HANDLER)


def coloured(panel: _Panel, colours: Colours) -> _Panel:
    """The panel, its series coloured by a word of their names; others keep the colour that their name gives."""
    for word, colour in colours.items():
        panel.override_by_regexp(rf"/\b{word}\b/", fixed(colour))
    return panel


def _xy_series() -> xychart.XYSeriesConfig:
    def named(name: str) -> xychart.MatcherConfig:
        return xychart.MatcherConfig().id("byName").options(name)

    series = xychart.XYSeriesConfig().x(xychart.XychartXYSeriesConfigX().matcher(named(_FIRST_VALUE)))
    return series.y(xychart.XychartXYSeriesConfigY().matcher(named(_SECOND_VALUE)))


def _axis(name: str, unit: str) -> list[DynamicConfigValue]:
    return [DynamicConfigValue("unit", unit), DynamicConfigValue("custom.axisLabel", name)]


def _thresholds(steps: Sequence[Threshold]) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(list(steps))


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(show_legend=True).display_mode(options.LegendDisplayMode.LIST)
    return legend.placement(options.LegendPlacement.BOTTOM)
