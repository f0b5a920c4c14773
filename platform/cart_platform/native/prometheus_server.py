"""Prometheus: scrapes every process of the chain and RabbitMQ, keeps exemplars, evaluates the alert rules."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import serves
from cart_platform.native.program import Program

RULES = Path(__file__).parents[3] / "prometheus" / "rules" / "*.yml"
"""The alert and recording rules of the checkout; an installed package has none."""

# RabbitMQ refreshes its statistics every 5 s and advises 15 s or more between scrapes.
_INTERVAL, _RABBITMQ_INTERVAL = "5s", "15s"
_QUEUE_FAMILIES = ["queue_coarse_metrics", "queue_consumer_count", "queue_delivery_metrics"]


def program(
    executable: str,
    folder: Path,
    port: int,
    metrics: Mapping[str, int],
    *,
    rabbitmq_port: int,
    alertmanager_port: int | None,
) -> Program:
    """Write the server's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of prometheus.
        folder: Where its data live; made if absent.
        port: On the loopback interface.
        metrics: Telemetry port of each process of the chain, by its name.
        rabbitmq_port: Where RabbitMQ serves its metrics.
        alertmanager_port: Where alerts go; None drops them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "prometheus.yml"
    # JSON is YAML.
    write_private(configuration, json.dumps(_configuration(metrics, rabbitmq_port, alertmanager_port), indent=2))
    return Program(
        name="prometheus",
        command=(
            executable,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--enable-feature=exemplar-storage",
        ),
        folder=folder,
        ready=lambda: serves(port, "/-/ready"),
    )


def _configuration(metrics: Mapping[str, int], rabbitmq_port: int, alertmanager_port: int | None) -> dict[str, Any]:
    alertmanagers = [] if alertmanager_port is None else [_target(alertmanager_port)]
    rabbitmq = {"static_configs": [_target(rabbitmq_port)], "scrape_interval": _RABBITMQ_INTERVAL}
    return {
        "global": {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [str(RULES)],
        "alerting": {"alertmanagers": [{"static_configs": alertmanagers}]},
        "scrape_configs": [
            {
                "job_name": "cartscope",
                "static_configs": [_target(port, process=name) for name, port in metrics.items()],
            },
            {"job_name": "rabbitmq", **rabbitmq},
            {
                "job_name": "rabbitmq-queues",
                "metrics_path": "/metrics/detailed",
                "params": {"family": _QUEUE_FAMILIES},
                **rabbitmq,
            },
        ],
    }


def _target(port: int, **labels: str) -> dict[str, Any]:
    return {"targets": [f"{LOOPBACK}:{port}"], "labels": labels}
