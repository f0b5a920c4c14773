"""Alertmanager: groups what Prometheus reports and shows it; it tells no one until a receiver is configured."""

import json
from pathlib import Path

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import serves
from cart_platform.native.program import Program

_CONFIGURATION = {
    "route": {"receiver": "page", "group_by": ["alertname"]},
    "receivers": [{"name": "page"}],
}


def program(executable: str, folder: Path, port: int) -> Program:
    """Write the server's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of alertmanager.
        folder: Where its data live; made if absent.
        port: On the loopback interface.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "alertmanager.yml"
    write_private(configuration, json.dumps(_CONFIGURATION, indent=2))  # JSON is YAML
    return Program(
        name="alertmanager",
        command=(
            executable,
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--cluster.listen-address=",
        ),
        folder=folder,
        ready=lambda: serves(port, "/-/ready"),
    )
