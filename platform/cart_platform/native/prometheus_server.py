"""Prometheus: scrapes the chain and its servers, keeps exemplars, evaluates rules, by the stack's own file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cart_platform.native.checkout import PROMETHEUS
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import serves
from cart_platform.native.program import Program

CHAIN = "cartscope"
"""The job of the chain's processes. In the stack their addresses come from its DNS; here they are known."""


def program(
    executable: str, folder: Path, port: int, metrics: Mapping[str, int], addresses: Mapping[str, int]
) -> Program:
    """Write the server's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of prometheus.
        folder: Where its data live; made if absent.
        port: On the loopback interface.
        metrics: Telemetry port of each process of the chain, by its name.
        addresses: The loopback port of each other server that runs, by the address that it has in the stack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "prometheus.yml"
    content = configured(yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8")), metrics, addresses)
    write_private(configuration, yaml.safe_dump(content, sort_keys=False))
    return Program(
        name="prometheus",
        command=(
            executable,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--web.enable-remote-write-receiver",
            "--enable-feature=exemplar-storage",
        ),
        folder=folder,
        ready=lambda: serves(port, "/-/ready"),
    )


def configured(stack: Mapping[str, Any], metrics: Mapping[str, int], addresses: Mapping[str, int]) -> dict[str, Any]:
    """The stack's configuration with the addresses of this run; what scrapes a server that does not run is left out."""
    alertmanagers = [
        {**each, "static_configs": found}
        for each in stack["alerting"]["alertmanagers"]
        if (found := _moved(each["static_configs"], addresses))
    ]
    return {
        **stack,
        "rule_files": [str(PROMETHEUS.parent / pattern) for pattern in stack["rule_files"]],
        "alerting": {**stack["alerting"], "alertmanagers": alertmanagers},
        "scrape_configs": list(_jobs(stack["scrape_configs"], metrics, addresses)),
    }


def _jobs(
    jobs: Iterable[Mapping[str, Any]], metrics: Mapping[str, int], addresses: Mapping[str, int]
) -> Iterable[dict[str, Any]]:
    for job in jobs:
        if job["job_name"] == CHAIN:
            # What relabels the DNS's answers would take the name of the process away here.
            kept = {key: value for key, value in job.items() if key not in ("dns_sd_configs", "relabel_configs")}
            yield {**kept, "static_configs": [_target(port, process=name) for name, port in metrics.items()]}
        elif found := _moved(job["static_configs"], addresses):
            yield {**job, "static_configs": found}


def _moved(groups: Iterable[Mapping[str, Any]], addresses: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        _target(addresses[address], **group.get("labels", {}))
        for group in groups
        for address in group["targets"]
        if address in addresses
    ]


def _target(port: int, **labels: str) -> dict[str, Any]:
    return {"targets": [f"{LOOPBACK}:{port}"], "labels": labels}
