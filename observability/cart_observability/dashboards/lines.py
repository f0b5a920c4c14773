"""Curves that say more than the others: dashed ones, and limits to hold them against."""

from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ThresholdsMode

from cart_observability.dashboards.style import BAD, steps

_Panel = TypeVar("_Panel", bound=timeseries.Panel)


def dashed(panel: _Panel, words: str) -> _Panel:
    """The panel, its curves dashed whose names end in these words: what was computed beside what was measured."""
    dashes = DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]})
    no_area = DynamicConfigValue("custom.fillOpacity", 0)
    return panel.override_by_regexp(f"/{words}$/", [dashes, no_area])


def limited(panel: _Panel, limit: float, colour: str = BAD) -> _Panel:
    """The panel with a dashed line across at a limit."""
    levels = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps("transparent", (limit, colour)))
    style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(levels).thresholds_style(style)
