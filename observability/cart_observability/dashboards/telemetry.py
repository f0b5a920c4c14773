"""Telemetry's own health: what is scraped, written, dropped, shipped and kept, and what the processes cost."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.dashboards import links, panels, shipping
from cart_observability.dashboards.lines import limited
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import over_time
from cart_observability.dashboards.style import BAD, BYTES, COUNT, GOOD, PER_SECOND, RATIO, SECONDS, steps

_MOST_SERIES: Final = 15_000
_WHO: Final = "{{job}} {{process}}"


def build() -> Dashboard:
    """Uid `telemetry`."""
    return page(
        "telemetry",
        "Telemetry",
        "Whether what the other dashboards show can be trusted: what is scraped, written, dropped, shipped and kept.",
        [
            Section(
                "Now",
                [_down(), _dropped_now(), _failed_rules(), _series_now(), shipping.delay_now(), shipping.queue_now()],
            ),
            Section("Metrics", [_targets(), _scrape_durations(), _samples()]),
            Section("Logs and spans of the processes", [_written(), _dropped()]),
            Section("Logs on their way to Elasticsearch", [shipping.delay(), shipping.lines(), shipping.unparsed()]),
            Section("Spans on their way to Tempo", [shipping.spans(), shipping.kept_traces()]),
            Section("Tempo", [shipping.tempo_spans(), shipping.live_traces(), shipping.tempo_refused()], closed=True),
            Section("Prometheus", [_series(), _rule_duration(), _notifications(), _exemplars()], closed=True),
            Section("Processes", [_loop_lag(), _memory(), _cpu(), _files()], closed=True),
        ],
        narrowed_by=(),
    )


def _down() -> Builder[Panel]:
    return panels.stat(
        "Targets down",
        "Targets of Prometheus that do not answer: what they would say is missing everywhere.",
        COUNT,
        over_time("count(up == 0) or on () vector(0)", "targets"),
        thresholds=steps(GOOD, (1, BAD)),
    ).links([links.to_runbook("TargetDown")])


def _dropped_now() -> Builder[Panel]:
    return panels.stat(
        "Lines and spans lost",
        "Log lines and spans that processes have dropped in the last 5 minutes; the chain itself goes on.",
        COUNT,
        over_time("sum(increase(cartscope_telemetry_dropped_total[5m]))", "lost"),
        thresholds=steps(GOOD, (1, BAD)),
    ).links([links.to_runbook("TelemetryDropped")])


def _failed_rules() -> Builder[Panel]:
    return panels.stat(
        "Rules that failed",
        "Evaluations of recording and alert rules that failed in the last 5 minutes. 0, or Prometheus' log says why.",
        COUNT,
        over_time("sum(increase(prometheus_rule_evaluation_failures_total[5m]))", "evaluations"),
        thresholds=steps(GOOD, (1, BAD)),
    ).links([links.to_runbook("Watchdog")])


def _series_now() -> Builder[Panel]:
    return panels.stat(
        "Series",
        f"Series that Prometheus holds in memory. The demo stays below {_MOST_SERIES:,}: labels are bounded.",
        COUNT,
        over_time("sum(prometheus_tsdb_head_series)", "series"),
        thresholds=steps(GOOD, (_MOST_SERIES, BAD)),
    )


def _targets() -> Builder[Panel]:
    return (
        panels.states(
            "Targets",
            "Whether each target of Prometheus answered its scrapes, and when it did not.",
            over_time("min by (job, process) (up)", _WHO),
            words=((1, "up", GOOD), (0, "down", BAD)),
        )
        .span(8)
        .height(8)
        .links([links.to_runbook("TargetDown")])
    )


def _scrape_durations() -> Builder[Panel]:
    return panels.time_series(
        "Scrape duration",
        "How long each target took to answer a scrape. Prometheus gives up after 5 s, with RabbitMQ after 10 s.",
        SECONDS,
        over_time("max by (job, process) (scrape_duration_seconds)", _WHO),
    )


def _samples() -> Builder[Panel]:
    return panels.time_series(
        "Samples in a scrape",
        "Samples that one scrape of each job brings. Steps up mean new labels, or new processes.",
        COUNT,
        over_time("sum by (job) (scrape_samples_post_metric_relabeling)", "{{job}}"),
        stacked=True,
    )


def _written() -> Builder[Panel]:
    return panels.time_series(
        "Written by the processes",
        "Log lines written and spans sent by the processes of the chain.",
        PER_SECOND,
        over_time("sum by (signal) (rate(cartscope_telemetry_written_total[1m]))", "{{signal}}"),
    ).span(12)


def _dropped() -> Builder[Panel]:
    return (
        panels.time_series(
            "Lost by the processes",
            "Log lines and spans dropped: a disk is full or slow, or the Collector away for longer than a queue lasts.",
            PER_SECOND,
            over_time(
                "sum by (process, signal) (rate(cartscope_telemetry_dropped_total[1m]))", "{{process}} {{signal}}"
            ),
        )
        .span(12)
        .links([links.to_runbook("TelemetryDropped")])
    )


def _loop_lag() -> Builder[Panel]:
    return panels.time_series(
        "Event loop lag",
        "How late each process ran a timer, the worst of the last seconds. It delays acks, heartbeats and scrapes.",
        SECONDS,
        over_time("max by (process, instance) (cartscope_event_loop_lag_seconds)", "{{process}}"),
    ).span(12)


def _series() -> Builder[Panel]:
    panel = panels.time_series(
        "Series in memory",
        "Prometheus' own, and of these what Tempo makes of spans. The demo stays below the line.",
        COUNT,
        over_time("sum(prometheus_tsdb_head_series)", "all"),
        over_time("sum(tempo_metrics_generator_registry_active_series)", "from spans"),
    )
    return limited(panel, _MOST_SERIES).span(6)


def _rule_duration() -> Builder[Panel]:
    return panels.time_series(
        "Duration of rules",
        "The last evaluation of each group of rules; a group that takes longer than its interval misses turns.",
        SECONDS,
        over_time(
            'max by (group) (label_replace(prometheus_rule_group_last_duration_seconds, "group", "$1", "rule_group", '
            '".*;(.*)"))',
            "{{group}}",
        ),
    ).span(6)


def _notifications() -> Builder[Panel]:
    return panels.time_series(
        "Alerts to Alertmanager",
        "Alerts sent per second, and those that Alertmanager did not take.",
        PER_SECOND,
        over_time("sum(rate(prometheus_notifications_sent_total[5m]))", "sent"),
        over_time("sum(rate(prometheus_notifications_dropped_total[5m]))", "lost"),
        colours=shipping.BY_FATE,
    ).span(6)


def _exemplars() -> Builder[Panel]:
    return panels.time_series(
        "How far back exemplars reach",
        "The age of the oldest exemplar that Prometheus keeps. Its trace must be in Tempo: that keeps traces longer.",
        SECONDS,
        over_time("time() - max(prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds)", "oldest"),
    ).span(6)


def _memory() -> Builder[Panel]:
    return panels.time_series(
        "Memory",
        "Resident memory of each process, servers too as far as they say.",
        BYTES,
        over_time("sum by (job, process) (process_resident_memory_bytes)", _WHO),
        over_time("sum by (job) (otelcol_process_memory_rss_bytes)", "{{job}}"),
        over_time("sum by (job) (rabbitmq_process_resident_memory_bytes)", "{{job}}"),
    ).span(12)


def _cpu() -> Builder[Panel]:
    return panels.time_series(
        "CPU",
        "Cores that each process keeps busy. A process of the chain has one event loop: at 1 it is at its end.",
        COUNT,
        over_time("sum by (job, process) (rate(process_cpu_seconds_total[1m]))", _WHO),
        over_time("sum by (job) (rate(otelcol_process_cpu_seconds_total[1m]))", "{{job}}"),
    ).span(12)


def _files() -> Builder[Panel]:
    return panels.time_series(
        "Open files",
        "Share of the files and connections that each process may have open.",
        RATIO,
        over_time("max by (job, process) (process_open_fds / process_max_fds)", _WHO),
    ).span(12)
