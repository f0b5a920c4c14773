"""All of Kibana's objects, those that are referred to first."""

from cart_observability.kibana.data_views import data_views
from cart_observability.kibana.handlers import DASHBOARD
from cart_observability.kibana.saved_object import SavedObject, lines
from cart_observability.kibana.searches import SEARCHES


def saved_objects() -> tuple[SavedObject, ...]:
    """Data views, Discover sessions and the dashboard."""
    return (*data_views(), *(search.saved() for search in SEARCHES), DASHBOARD.saved())


def ndjson() -> str:
    """The file that is imported."""
    return lines(saved_objects())
