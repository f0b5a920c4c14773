"""Ways from one dashboard, or panel, to where the reader goes next; time range and variables go along."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG: Final = "cartscope"
"""What all dashboards of this project carry."""

_RUNBOOKS: Final = "https://github.com/cartscope/cartscope/blob/main/docs/runbooks"
_KIBANA: Final = "http://127.0.0.1:5601/app/dashboards#/view/cartscope-handlers"


def to_dashboard(uid: str, title: str) -> DashboardLink:
    """From a panel to another dashboard."""
    return DashboardLink(title).url(f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}")


def to_runbook(alert: str) -> DashboardLink:
    """From a panel to what to do when an alert of it fires."""
    return DashboardLink(f"Runbook: {alert}").url(f"{_RUNBOOKS}/{alert}.md").target_blank(target_blank=True)


def everywhere() -> list[DashboardLink]:
    """The links at the top of each dashboard."""
    dashboards = (
        DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(as_dropdown=True)
    )
    return [
        dashboards.keep_time(keep_time=True).include_vars(include_vars=True),
        _outside("Logs in Kibana", _KIBANA),
        _outside("Runbooks", f"{_RUNBOOKS}/README.md"),
    ]


def _outside(title: str, url: str) -> DashboardLink:
    link = DashboardLink(title).type(DashboardLinkType.LINK).url(url).icon("external link")
    return link.target_blank(target_blank=True)
