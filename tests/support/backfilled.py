"""A real Prometheus that knows given series and scrapes nothing."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cart_platform.native.ports import free_ports
from cart_platform.native.probe import serves
from cart_platform.native.program import Program
from support.servers import RunningProgram

STEP = 15


@contextmanager
def backfilled(folder: Path, series: Mapping[str, tuple[float, float]], now: float) -> Iterator[str]:
    """The URL of a Prometheus whose series are straight lines, from half an hour ago until five minutes from now.

    Args:
        folder: Where its data live.
        series: Value now and change per second, by name and labels.
        now: Unix time.
    """
    (folder / "series.txt").write_text(_openmetrics(series, int(now)))
    (folder / "prometheus.yml").write_text("{}")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "data"],
        check=True,
        capture_output=True,
    )
    [port] = free_ports(1)
    server = RunningProgram(
        Program(
            name="prometheus",
            command=(
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ),
            folder=folder,
            ready=lambda: serves(port, "/-/ready"),
        )
    )
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()


def _openmetrics(series: Mapping[str, tuple[float, float]], now: int) -> str:
    lines = []
    for name, (value, change) in sorted(series.items()):
        if (declared := f"# TYPE {name.partition('{')[0]} unknown") not in lines:
            lines.append(declared)
        lines += [
            f"{name} {value + change * seconds} {now + seconds}"
            # Beyond now, so that rates and slopes are those of the line whenever within it they are asked for.
            for seconds in range(-1800, 301, STEP)
        ]
    return "\n".join([*lines, "# EOF", ""])
