"""Which options Logstash's plugins and settings have: those of their documentation, without a word on their meaning.

Plugins: elastic/logstash-docs-md, `docs/lsr/plugins-TYPE-NAME.md` (file 4.4.6, dead_letter_queue 2.0.1, mutate 3.5.8,
fingerprint 3.4.4, json 3.2.1, dissect 1.2.5, grok, date 3.1.15, ruby 3.1.8, elasticsearch 12.0.1; the last without what
TLS, ILM and scripts need). What an output to a data stream takes: the plugin's `data_stream_support.rb` below
`lib/logstash/outputs/elasticsearch/`, `api_configs.rb` below `lib/logstash/plugin_mixins/`. Settings: elastic/logstash,
`docs/reference/logstash-settings-file.md`; `xpack.monitoring.enabled` from `monitoring-internal-collection-legacy.md`.
"""

INPUT = {"add_field", "codec", "enable_metric", "id", "tags", "type"}
FILTER = {"add_field", "add_tag", "enable_metric", "id", "periodic_flush", "remove_field", "remove_tag"}
OUTPUT = {"codec", "enable_metric", "id"}

DATA_STREAM = {
    "data_stream", "data_stream_auto_routing", "data_stream_dataset", "data_stream_namespace",
    "data_stream_sync_fields", "data_stream_type",
}  # fmt: skip
WITH_DATA_STREAM = DATA_STREAM | {
    "hosts", "user", "password", "api_key", "document_id", "silence_errors_in_log", "timeout", "compression_level",
    "retry_initial_interval", "retry_max_interval", "routing", "pipeline", "dlq_custom_codes",
}  # fmt: skip
"""Options of the elasticsearch output that go together with `data_stream => "true"`; `index` for one does not."""

PLUGINS = {
    ("input", "file"): INPUT | {
        "check_archive_validity", "close_older", "delimiter", "discover_interval", "ecs_compatibility", "exclude",
        "exit_after_read", "file_chunk_count", "file_chunk_size", "file_completed_action", "file_completed_log_path",
        "file_sort_by", "file_sort_direction", "ignore_older", "max_open_files", "mode", "path", "sincedb_clean_after",
        "sincedb_path", "sincedb_write_interval", "start_position", "stat_interval",
    },
    ("input", "dead_letter_queue"): INPUT | {
        "clean_consumed", "commit_offsets", "path", "pipeline_id", "sincedb_path", "start_timestamp",
    },
    ("filter", "mutate"): FILTER | {
        "convert", "copy", "gsub", "join", "lowercase", "merge", "coerce", "rename", "replace", "split", "strip",
        "update", "uppercase", "capitalize", "tag_on_failure",
    },
    ("filter", "fingerprint"): FILTER | {
        "base64encode", "concatenate_sources", "concatenate_all_fields", "ecs_compatibility", "key", "method", "source",
        "target",
    },
    ("filter", "json"): FILTER | {"ecs_compatibility", "skip_on_invalid_json", "source", "tag_on_failure", "target"},
    ("filter", "dissect"): FILTER | {"convert_datatype", "mapping", "tag_on_failure"},
    ("filter", "grok"): FILTER | {
        "break_on_match", "ecs_compatibility", "keep_empty_captures", "match", "named_captures_only", "overwrite",
        "pattern_definitions", "patterns_dir", "patterns_files_glob", "tag_on_failure", "tag_on_timeout", "target",
        "timeout_millis", "timeout_scope",
    },
    ("filter", "date"): FILTER | {"locale", "match", "tag_on_failure", "target", "timezone"},
    ("filter", "ruby"): FILTER | {
        "code", "init", "path", "script_params", "tag_on_exception", "tag_with_exception_message",
    },
    ("output", "elasticsearch"): OUTPUT | WITH_DATA_STREAM,
}  # fmt: skip

FINGERPRINTS = {
    "SHA1", "SHA256", "SHA384", "SHA512", "MD5", "MURMUR3", "MURMUR3_128", "IPV4_NETWORK", "UUID", "PUNCTUATION",
}  # fmt: skip

OF_A_PIPELINE = {
    "pipeline.id", "path.config", "pipeline.workers", "pipeline.batch.size", "pipeline.batch.delay",
    "pipeline.ordered", "pipeline.ecs_compatibility", "queue.type", "queue.max_bytes", "queue.max_events",
    "queue.page_capacity", "queue.checkpoint.acks", "queue.checkpoint.writes", "queue.checkpoint.retry", "queue.drain",
    "dead_letter_queue.enable", "dead_letter_queue.max_bytes", "dead_letter_queue.storage_policy",
    "dead_letter_queue.retain.age", "dead_letter_queue.flush_interval",
}  # fmt: skip
SETTINGS = OF_A_PIPELINE | {
    "node.name", "path.data", "path.logs", "path.queue", "path.dead_letter_queue", "pipeline.unsafe_shutdown",
    "config.reload.automatic", "config.reload.interval", "config.support_escapes", "api.enabled", "api.http.host",
    "api.http.port", "api.environment", "log.level", "log.format", "xpack.monitoring.enabled",
}  # fmt: skip
