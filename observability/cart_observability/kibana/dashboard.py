"""A dashboard: panels on a grid of 48 columns, and controls that narrow all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cart_observability.kibana.data_views import reference
from cart_observability.kibana.lens import Lens
from cart_observability.kibana.saved_object import Reference, SavedObject, bucket
from cart_observability.kibana.searches import TAB, Search

VERSION = "10.3.0"
WIDTH = 48
OPTIONS = "optionsListDataView"


@dataclass(frozen=True)
class Panel:
    """What is drawn, and where: x and width in columns, y and height in rows of the grid."""

    id: str
    title: str
    content: str | Lens | Search
    x: int
    y: int
    width: int
    height: int
    description: str = ""

    @property
    def references(self) -> tuple[Reference, ...]:
        """What the panel needs, as the dashboard names it."""
        if isinstance(self.content, Lens):
            return tuple(each.under(self.id) for each in self.content.references)
        if isinstance(self.content, Search):
            return (Reference("savedObjectRef", "search", self.content.id).under(self.id),)
        return ()

    def as_json(self) -> dict[str, Any]:
        """As it stands in `panelsJSON`."""
        kind, configuration = self._configured()
        titles = {"title": self.title, **({"description": self.description} if self.description else {})}
        return {
            "type": kind,
            "panelIndex": self.id,
            "gridData": {"i": self.id, "x": self.x, "y": self.y, "w": self.width, "h": self.height},
            "embeddableConfig": {**titles, **configuration},
        }

    def _configured(self) -> tuple[str, dict[str, Any]]:
        if isinstance(self.content, Lens):
            return "vis", {"attributes": self.content.as_json(), "drilldowns": []}
        if isinstance(self.content, Search):
            return "discover_session", {"selectedTabId": TAB, "sort": [["@timestamp", "desc"]], "drilldowns": []}
        return "markdown", {"content": self.content, "settings": {"open_links_in_new_tab": True}}


@dataclass(frozen=True)
class Choice:
    """A control above the panels: choose among a field's values."""

    field: str
    title: str

    @property
    def id(self) -> str:
        """Unique in the dashboard."""
        return f"choice-{self.field}"

    @property
    def references(self) -> tuple[Reference, ...]:
        """The data view that the values come from."""
        return (reference(OPTIONS).under(self.id),)

    def as_json(self, order: int) -> dict[str, Any]:
        """As it stands among the pinned panels."""
        return {
            "type": "options_list_control",
            "order": order,
            "width": "medium",
            "grow": False,
            "config": {
                "dataViewRefName": f"{self.id}:{OPTIONS}",
                "field_name": self.field,
                "title": self.title,
                "exclude": False,
                "exists_selected": False,
                "ignore_validations": False,
                "run_past_timeout": False,
                "search_technique": "prefix",
                "selected_options": [],
                "single_select": False,
                "sort": {"by": "_key", "direction": "asc"},
                "use_global_filters": True,
            },
        }


@dataclass(frozen=True)
class Dashboard:
    """Panels and choices under a title; it opens on the last 15 minutes and is drawn anew every 30 s."""

    id: str
    title: str
    description: str
    choices: Sequence[Choice]
    panels: Sequence[Panel]

    def saved(self) -> SavedObject:
        """As Kibana keeps it."""
        options = {
            "autoApplyFilters": True,
            "hidePanelBorders": False,
            "hidePanelTitles": False,
            "syncColors": False,
            "syncCursor": True,
            "syncTooltips": True,
            "useMargins": True,
        }
        attributes = {
            "title": self.title,
            "description": self.description,
            "panelsJSON": bucket([panel.as_json() for panel in self.panels]),
            "optionsJSON": bucket(options),
            "kibanaSavedObjectMeta": {"searchSourceJSON": bucket({"query": {"language": "kuery", "query": ""}})},
            "pinned_panels": {
                "panels": {choice.id: choice.as_json(order) for order, choice in enumerate(self.choices)}
            },
            "timeRestore": True,
            "timeFrom": "now-15m",
            "timeTo": "now",
            "refreshInterval": {"pause": False, "value": 30_000},
        }
        parts: list[Panel | Choice] = [*self.panels, *self.choices]
        references = tuple(each for part in parts for each in part.references)
        return SavedObject("dashboard", self.id, VERSION, attributes, references)
