"""Tempo: keeps traces and answers for them, by the stack's own file."""

from dataclasses import dataclass
from pathlib import Path

from cart_platform.native.checkout import TEMPO
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.probe import serves
from cart_platform.native.program import Program


@dataclass(frozen=True)
class TempoPorts:
    """The loopback ports of one Tempo: questions, its parts among themselves, spans that come in (OTLP over gRPC)."""

    http: int
    internal: int
    otlp: int


def program(executable: str, folder: Path, ports: TempoPorts, prometheus_port: int) -> Program:
    """Give the program that runs it.

    Args:
        executable: Path of tempo.
        folder: Where its data live; made if absent.
        ports: On the loopback interface.
        prometheus_port: Where its span metrics and service graph go; it goes on without when nobody listens there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return Program(
        name="tempo",
        command=(executable, f"-config.file={TEMPO}", "-config.expand-env=true"),
        folder=folder,
        environment={
            "TEMPO_HOST": LOOPBACK,
            "TEMPO_HTTP_PORT": str(ports.http),
            "TEMPO_GRPC_PORT": str(ports.internal),
            "TEMPO_OTLP_PORT": str(ports.otlp),
            "TEMPO_DATA": str(folder / "data"),
            "PROMETHEUS_URL": f"http://{LOOPBACK}:{prometheus_port}",
        },
        ready=lambda: serves(ports.http, "/ready"),
    )
