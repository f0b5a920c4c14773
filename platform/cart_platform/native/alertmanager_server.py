"""Alertmanager: groups and silences what Prometheus reports and shows it, by the stack's own file.

It tells no one: the stack's receivers write e-mails, and a native run has no mail server.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cart_platform.native.checkout import ALERTMANAGER
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import serves
from cart_platform.native.program import Program


def program(executable: str, folder: Path, port: int) -> Program:
    """Write the server's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of alertmanager.
        folder: Where its data live; made if absent.
        port: On the loopback interface.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "alertmanager.yml"
    content = configured(yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8")))
    write_private(configuration, yaml.safe_dump(content, sort_keys=False))
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


def configured(stack: Mapping[str, Any]) -> dict[str, Any]:
    """The stack's configuration with receivers that write no e-mail."""
    silent = [
        {key: value for key, value in receiver.items() if key != "email_configs"} for receiver in stack["receivers"]
    ]
    return {**stack, "receivers": silent}
