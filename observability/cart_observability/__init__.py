"""Metrics, spans and log lines of event-driven services; knows nothing of carts."""
