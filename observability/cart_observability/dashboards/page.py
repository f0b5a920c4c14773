"""A dashboard put together: sections of panels, with the variables, links and annotations that all dashboards have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from string import ascii_uppercase

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardCursorSync, Panel, RowPanel, VariableModel

from cart_observability.dashboards import annotations, links, variables


@dataclass(frozen=True)
class Section:
    """Panels under a heading; the widths of those side by side add up to 24. A closed one asks nothing until opened."""

    title: str
    panels: Sequence[Builder[Panel]]
    closed: bool = False


def page(
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
    *,
    narrowed_by: Sequence[Builder[VariableModel]] | None = None,
    period: str = "now-15m",
) -> Dashboard:
    """The dashboard; `narrowed_by` are its variables, handler and event type unless told otherwise."""
    builder = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([links.TAG])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(period, "now")
        .timezone("browser")
        .refresh("10s")
        .variables(list(narrowed_by if narrowed_by is not None else (variables.handler(), variables.event_type())))
        .annotations(annotations.everywhere())
        .links(list(links.everywhere()))
    )
    for section in sections:
        _add(builder, section)
    return _told_apart(builder.build())


def _add(builder: dashboard.Dashboard, section: Section) -> None:
    row = dashboard.Row(section.title).collapsed(section.closed)
    if section.closed:
        for panel in section.panels:
            row.with_panel(panel)
    builder.with_row(row)
    if not section.closed:
        for panel in section.panels:
            builder.with_panel(panel)


def _told_apart(built: Dashboard) -> Dashboard:
    """The dashboard, its panels numbered from the top and the queries of each lettered from A."""
    numbers = count(1)
    for panel in _panels(built.panels or []):
        panel.id_val = next(numbers)
        if isinstance(panel, RowPanel):
            continue
        for letter, query in zip(ascii_uppercase, panel.targets or [], strict=False):
            query.ref_id = letter  # type: ignore[attr-defined]  # every data source's query has one
            panel.datasource = query.datasource  # type: ignore[attr-defined]  # as above
    return built


def _panels(panels: Sequence[Panel | RowPanel]) -> Iterator[Panel | RowPanel]:
    for panel in panels:
        yield panel
        if isinstance(panel, RowPanel):
            yield from panel.panels
