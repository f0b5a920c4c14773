"""The OpenTelemetry Collector: chooses traces for Tempo, gives all spans to the console, by the stack's files."""

from dataclasses import dataclass
from pathlib import Path

from cart_platform.native.checkout import COLLECTOR, COLLECTOR_CONSOLE
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.probe import accepts
from cart_platform.native.program import Program


@dataclass(frozen=True)
class CollectorPorts:
    """The loopback ports of one Collector: spans over HTTP, spans over gRPC, its own metrics."""

    http: int
    grpc: int
    metrics: int


def program(
    executable: str, folder: Path, ports: CollectorPorts, tempo_port: int, console_port: int | None = None
) -> Program:
    """Give the program that runs it.

    Args:
        executable: Path of otelcol-contrib.
        folder: Where its queue lives; made if absent.
        ports: On the loopback interface.
        tempo_port: Where traces go (OTLP over gRPC); they wait on disk while nobody listens there.
        console_port: Where all spans go too, at once (OTLP over HTTP), if there is a console; it is never waited for.
    """
    console = {} if console_port is None else {"CONSOLE_OTLP": f"http://{LOOPBACK}:{console_port}"}
    files = (COLLECTOR, COLLECTOR_CONSOLE) if console else (COLLECTOR,)
    folder.mkdir(parents=True, exist_ok=True)
    return Program(
        name="collector",
        command=(executable, *(f"--config={file}" for file in files)),
        folder=folder,
        environment={
            "COLLECTOR_HOST": LOOPBACK,
            "COLLECTOR_OTLP_HTTP_PORT": str(ports.http),
            "COLLECTOR_OTLP_GRPC_PORT": str(ports.grpc),
            "COLLECTOR_METRICS_PORT": str(ports.metrics),
            "COLLECTOR_DATA": str(folder / "queue"),
            "TEMPO_OTLP": f"{LOOPBACK}:{tempo_port}",
            **console,
        },
        # Its receivers are what it starts last.
        ready=lambda: accepts(ports.http),
    )
