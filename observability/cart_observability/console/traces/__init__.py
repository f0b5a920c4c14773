"""Spans: taken by OTLP, kept by trace, drawn as waterfalls."""
