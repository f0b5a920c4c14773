"""Series of servers that are not ours, as far as dashboards read them, with the labels that they are chosen by.

Sources: RabbitMQ's deps/rabbitmq_prometheus/metrics.md and metrics-detailed.md (seen in 3.10 and in 4); Prometheus' own
/metrics and its documentation of `ALERTS` and of what each scrape adds; the Collector's and Tempo's own /metrics.
"""

from collections.abc import Mapping
from typing import Final

FOREIGN: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            "rabbitmq_alarms_free_disk_space_watermark",
            "rabbitmq_alarms_memory_used_watermark",
            "rabbitmq_connections_opened_total",
            "rabbitmq_connections_closed_total",
            "rabbitmq_disk_space_available_bytes",
            "rabbitmq_disk_space_available_limit_bytes",
            "rabbitmq_process_resident_memory_bytes",
            "rabbitmq_resident_memory_limit_bytes",
        ),
        frozenset(),
    ),
    **dict.fromkeys(
        (
            "rabbitmq_global_messages_confirmed_total",
            "rabbitmq_global_messages_delivered_total",
            "rabbitmq_global_messages_received_total",
            "rabbitmq_global_messages_redelivered_total",
            "rabbitmq_global_messages_unroutable_dropped_total",
            "rabbitmq_global_messages_unroutable_returned_total",
        ),
        frozenset({"protocol", "queue_type"}),
    ),
    # `handler` and `queue_role` are given by prometheus.yml.
    **dict.fromkeys(
        ("rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_messages_unacked"),
        frozenset({"queue", "vhost", "handler", "queue_role"}),
    ),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "handler"}),
    **dict.fromkeys(
        ("up", "scrape_duration_seconds", "scrape_samples_post_metric_relabeling"), frozenset({"job", "process"})
    ),
    **dict.fromkeys(
        (
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_max_fds",
        ),
        frozenset({"job", "process"}),
    ),
    "prometheus_tsdb_head_series": frozenset(),
    "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds": frozenset(),
    "prometheus_rule_evaluation_failures_total": frozenset({"rule_group"}),
    "prometheus_rule_group_last_duration_seconds": frozenset({"rule_group"}),
    "prometheus_notifications_sent_total": frozenset({"alertmanager"}),
    "prometheus_notifications_dropped_total": frozenset(),
    **dict.fromkeys(
        (
            "otelcol_process_memory_rss_bytes",
            "otelcol_process_cpu_seconds_total",
            "otelcol_receiver_accepted_spans_total",
            "otelcol_receiver_refused_spans_total",
            "otelcol_exporter_queue_size",
            "otelcol_exporter_queue_capacity",
            "otelcol_exporter_sent_spans_total",
            "otelcol_exporter_send_failed_spans_total",
            "otelcol_exporter_enqueue_failed_spans_total",
        ),
        frozenset({"exporter", "receiver"}),
    ),
    "otelcol_processor_tail_sampling_count_traces_sampled_total": frozenset({"policy", "sampled"}),
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total": frozenset(),
    "tempo_distributor_spans_received_total": frozenset({"tenant"}),
    "tempo_live_store_live_traces": frozenset({"tenant"}),
    "tempo_receiver_refused_spans": frozenset({"receiver"}),
    "tempo_metrics_generator_spans_discarded_total": frozenset({"reason"}),
    "tempo_metrics_generator_registry_active_series": frozenset({"tenant"}),
}
