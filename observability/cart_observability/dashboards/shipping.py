"""Logs on their way to Elasticsearch and spans on theirs to Tempo: the panels about what lies between."""

from typing import Final

from grafana_foundation_sdk.builders import elasticsearch
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel
from grafana_foundation_sdk.models.elasticsearch import MetricAggregation, TermsOrder

from cart_observability.dashboards import links, panels
from cart_observability.dashboards.queries import over_time
from cart_observability.dashboards.sources import ELASTICSEARCH
from cart_observability.dashboards.style import (
    BAD,
    COUNT,
    DELAYED,
    GOOD,
    NEUTRAL,
    PER_SECOND,
    RATIO,
    steps,
)

_MILLISECONDS: Final = units.Milliseconds
BY_FATE: Final = {"taken": NEUTRAL, "kept": GOOD, "refused": DELAYED, "lost": BAD}
# To Tempo: a console beside it may be away, and loses what comes meanwhile.
_TEMPO: Final = 'exporter="otlp_grpc"'
_SENT: Final = f"sum(rate(otelcol_exporter_sent_spans_total{{{_TEMPO}}}[1m]))"
_DELAY: Final = "cartscope.shipping.delay"
# A data stream's own indices have a name before its name; where there are no data streams it is an index.
_UNPARSED: Final = "_index:(logs-unparsed* OR .ds-logs-unparsed*)"


def delay_now() -> Builder[Panel]:
    """The mean delay, large."""
    return panels.stat(
        "Shipping delay of logs",
        "From the moment a line was logged to its coming to Elasticsearch, on average.",
        _MILLISECONDS,
        _log_figures("*", elasticsearch.Average().id("1").field(_DELAY)),
        thresholds=steps(GOOD, (10_000, DELAYED), (60_000, BAD)),
    )


def queue_now() -> Builder[Panel]:
    """How full the Collector's queue is, large."""
    return panels.stat(
        "Collector's queue",
        "How full the Collector's queue to Tempo is; it is on disk and outlives a Tempo that is away.",
        RATIO,
        over_time(f"max(otelcol_exporter_queue_size{{{_TEMPO}}} / otelcol_exporter_queue_capacity)", "full"),
        thresholds=steps(GOOD, (0.5, DELAYED), (0.9, BAD)),
    ).links([links.to_runbook("TelemetryDropped")])


def delay() -> Builder[Panel]:
    """Mean and greatest delay of log lines."""
    figures = (elasticsearch.Average().id("1").field(_DELAY), elasticsearch.Max().id("3").field(_DELAY))
    return panels.time_series(
        "Shipping delay",
        "From the moment a line was logged to its coming to Elasticsearch: the mean, and the latest of each moment.",
        _MILLISECONDS,
        _log_figures("*", *figures, alias="{{metric}}"),
    )


def lines() -> Builder[Panel]:
    """How many lines came, by service."""
    return panels.time_series(
        "Lines by service",
        "Log lines of each service that have come to Elasticsearch.",
        COUNT,
        _log_figures("*", elasticsearch.Count().id("1"), by="service.name"),
        stacked=True,
    )


def unparsed() -> Builder[Panel]:
    """How many could not be parsed."""
    return panels.time_series(
        "Lines that could not be parsed",
        "Lines that are no JSON, or do not fit the mappings: kept whole in logs-unparsed-cartscope.",
        COUNT,
        _log_figures(_UNPARSED, elasticsearch.Count().id("1"), alias="unparsed"),
    )


def spans() -> Builder[Panel]:
    """What came into the Collector, and what became of it."""
    lost = " + ".join(
        f"(sum(rate(otelcol_exporter_{way}_failed_spans_total{{{_TEMPO}}}[1m])) or 0 * {_SENT})"
        for way in ("enqueue", "send")
    )
    panel = panels.time_series(
        "Spans through the Collector",
        "Taken from the processes, refused for want of memory (and sent again), kept and sent on to Tempo after the "
        "choice of whole traces, and lost.",
        PER_SECOND,
        over_time("sum(rate(otelcol_receiver_accepted_spans_total[1m]))", "taken"),
        over_time("sum(rate(otelcol_receiver_refused_spans_total[1m]))", "refused"),
        over_time(_SENT, "kept"),
        # It has no series of failures before the first.
        over_time(lost, "lost"),
        colours=BY_FATE,
    )
    return panel.span(12).links([links.to_runbook("TelemetryDropped")])


def kept_traces() -> Builder[Panel]:
    """Which traces were chosen, by policy."""
    return panels.time_series(
        "Traces kept, and why",
        "Traces that each policy of the tail sampling chose: failed ones, retries and slow ones always, and a share of "
        "the rest. A trace may be counted by several.",
        PER_SECOND,
        over_time(
            'sum by (policy) (rate(otelcol_processor_tail_sampling_count_traces_sampled_total{sampled="true"}[1m]))',
            "{{policy}}",
        ),
        over_time(
            "sum(rate(otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total[1m]))", "lost undecided"
        ),
        colours=BY_FATE,
    ).span(12)


def tempo_spans() -> Builder[Panel]:
    """What came into Tempo."""
    return panels.time_series(
        "Spans taken by Tempo",
        "Spans per second that have come to Tempo.",
        PER_SECOND,
        over_time("sum(rate(tempo_distributor_spans_received_total[1m]))", "spans"),
    )


def live_traces() -> Builder[Panel]:
    """What Tempo holds open."""
    return panels.time_series(
        "Traces not yet on disk",
        "Traces that Tempo still holds open for further spans; they can be found already.",
        COUNT,
        over_time("sum(tempo_live_store_live_traces)", "traces"),
    )


def tempo_refused() -> Builder[Panel]:
    """What Tempo did not take."""
    return panels.time_series(
        "Not taken by Tempo",
        "Spans that Tempo refused, and those that its span metrics and service graph left out, by reason.",
        PER_SECOND,
        over_time("sum(rate(tempo_receiver_refused_spans[1m]))", "refused"),
        over_time("sum by (reason) (rate(tempo_metrics_generator_spans_discarded_total[1m]))", "{{reason}}"),
        colours=BY_FATE,
    )


def _log_figures(
    lucene: str, *figures: Builder[MetricAggregation], by: str = "", alias: str = ""
) -> elasticsearch.Dataquery:
    """Figures of the log lines that a Lucene query finds, over time; a curve for each value of the field `by`."""
    moments = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")
    over = elasticsearch.DateHistogram().id("9").field("@timestamp").settings(moments)
    each = (
        elasticsearch.Terms()
        .id("8")
        .field(by)
        .settings(elasticsearch.ElasticsearchTermsSettings().size("20").order_by("_count").order(TermsOrder.DESC))
    )
    query = elasticsearch.Dataquery().query(lucene).time_field("@timestamp").datasource(ELASTICSEARCH).alias(alias)
    return query.metrics(list(figures)).bucket_aggs([each, over] if by else [over])
