"""The console of a run: it looks at the data folder, and takes the spans that come to it."""

from dataclasses import dataclass
from pathlib import Path

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.probe import serves
from cart_platform.native.program import Program

QUEUES = (
    "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count&family=queue_delivery_metrics&vhost=%2F"
)
"""Where RabbitMQ tells of each queue, without what costs it much."""


@dataclass(frozen=True)
class ConsolePorts:
    """The loopback ports of one console: its page, and spans that come in (OTLP over HTTP)."""

    http: int
    otlp: int


def program(cartscope: tuple[str, ...], folder: Path, ports: ConsolePorts, rabbitmq_port: int) -> Program:
    """Give the program that runs it.

    Args:
        cartscope: The command whose subcommand `console` is run.
        folder: The data folder; what it is told is kept there.
        ports: On the loopback interface.
        rabbitmq_port: Where RabbitMQ serves its metrics.
    """
    arguments = {
        "--data-dir": str(folder),
        "--port": str(ports.http),
        "--otlp": str(ports.otlp),
        "--metrics": f"rabbitmq=http://{LOOPBACK}:{rabbitmq_port}{QUEUES}",
        "--title": "Cartscope native",
    }
    return Program(
        name="console",
        command=(*cartscope, "console", *(word for pair in arguments.items() for word in pair)),
        folder=folder,
        ready=lambda: serves(ports.http, "/api/overview"),
    )
