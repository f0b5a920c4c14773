"""What panels ask the data sources. Letters that tell the queries of a panel apart are given by page.py."""

from typing import Final

from grafana_foundation_sdk.builders import elasticsearch, prometheus, tempo
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

from cart_observability.dashboards.sources import ELASTICSEARCH, PROMETHEUS, TEMPO

SLOWLY: Final = "15s"
"""How often RabbitMQ and its queues are scraped; all else is scraped every 5 s, which the data source knows."""


def over_time(promql: str, legend: str = "", *, exemplars: bool = False, every: str = "") -> prometheus.Dataquery:
    """A curve for each series; with `exemplars`, points on it that lead to traces (only of `_bucket` and `_total`).

    `every` is how often the series are scraped when that is not the usual: `$__rate_interval` is four times that.
    """
    query = prometheus.Dataquery().expr(promql).range().legend_format(legend or "__auto").datasource(PROMETHEUS)
    if exemplars:
        query.exemplar(exemplar=True)
    return query.interval(every) if every else query


def now(promql: str, legend: str = "") -> prometheus.Dataquery:
    """One value for each series: that at the end of the time range."""
    return prometheus.Dataquery().expr(promql).instant().legend_format(legend or "__auto").datasource(PROMETHEUS)


def rows(promql: str) -> prometheus.Dataquery:
    """A row for each series at the end of the time range, a column for each label and one, `Value`, for the value."""
    return now(promql).format(PromQueryFormat.TABLE)


def rows_over_time(promql: str) -> prometheus.Dataquery:
    """A row for each series and moment, with the columns of `rows` and `Time`."""
    return over_time(promql).format(PromQueryFormat.TABLE)


def buckets(promql: str) -> prometheus.Dataquery:
    """The cells of a heatmap, with exemplars; the expression is a rate summed by `le`."""
    return over_time(promql, "{{le}}", exemplars=True).format(PromQueryFormat.HEATMAP)


def traces(traceql: str, *, limit: int = 20) -> tempo.TempoQuery:
    """A row for each trace that TraceQL finds."""
    query = tempo.TempoQuery().query_type("traceql").query(traceql).limit(limit)
    return query.table_type(SearchTableType.TRACES).datasource(TEMPO)


def log_lines(lucene: str, *, limit: int = 200) -> elasticsearch.Dataquery:
    """The newest log lines that a Lucene query finds."""
    lines = elasticsearch.Logs().id("1").settings(elasticsearch.ElasticsearchLogsSettings().limit(str(limit)))
    query = elasticsearch.Dataquery().query(lucene).time_field("@timestamp").metrics([lines])
    return query.bucket_aggs([]).datasource(ELASTICSEARCH)
