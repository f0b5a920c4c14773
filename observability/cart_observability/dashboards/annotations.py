"""What happened, marked on every graph: processes that started, alerts that fired, faults that were injected."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef

from cart_observability.dashboards.sources import ELASTICSEARCH, PROMETHEUS
from cart_observability.dashboards.style import BAD, DELAYED, REPEATED

_STARTED: Final = 'process_start_time_seconds{job="cartscope"} * 1000'
_FIRING: Final = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
_FAULTS: Final = "event.action:(fault.injected OR fault.ended)"


class _Annotation(Builder[AnnotationQuery], AnnotationQuery):
    """An annotation with the keys that its data source reads, which the SDK's type does not know.

    Source: Grafana's `annotations.ts` of grafana-prometheus and `datasource.ts` of elasticsearch.
    """

    def __init__(self, name: str, source: DataSourceRef, colour: str, **keys: object) -> None:
        super().__init__(name=name, datasource=source, icon_color=colour)
        self._keys = keys

    def build(self) -> AnnotationQuery:
        return self

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._keys}


def everywhere() -> list[Builder[AnnotationQuery]]:
    """The annotations of each dashboard; a reader switches each on and off at its top."""
    return [
        # The value is the time, in milliseconds, and the labels say which process: a log line could not, because
        # Grafana reads no annotation's text from a field with a dot in its name.
        _Annotation(
            "Deployments",
            PROMETHEUS,
            REPEATED,
            target=_promql(_STARTED),
            useValueForTime=True,
            titleFormat="{{process}} started",
            textFormat="{{instance}}",
        ),
        _Annotation(
            "Alerts",
            PROMETHEUS,
            BAD,
            target=_promql(_FIRING),
            titleFormat="{{alertname}}",
            textFormat="{{handler}} {{severity}}",
        ),
        _Annotation(
            "Injected faults",
            ELASTICSEARCH,
            DELAYED,
            target={"refId": "Anno", "query": _FAULTS},
            timeField="@timestamp",
            textField="message",
        ),
    ]


def _promql(promql: str) -> dict[str, str]:
    return {"refId": "Anno", "expr": promql, "interval": "15s"}
