"""Finds the chain that a command is to look at: in a data folder, by the environment, or the one that ran last."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cart_platform.errors import UsageError
from cart_platform.settings import Settings, load_settings

RUNNING = "running.json"
LATEST = "latest-run"
EMBEDDED = "demo"
"""The process that has every role."""


def state_folder() -> Path:
    """Where this user's programs keep state between runs (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "cartscope"


def remember(folder: Path) -> None:
    """Note that the chain in this data folder ran last; without a home that can be written, nothing is noted."""
    try:
        state_folder().mkdir(parents=True, exist_ok=True)
        (state_folder() / LATEST).write_text(str(folder.resolve()))
    except OSError:
        return


def latest() -> Path | None:
    """The data folder of the chain that ran last, None if there is none (any more)."""
    try:
        folder = Path((state_folder() / LATEST).read_text())
    except OSError:
        return None
    return folder if (folder / RUNNING).exists() else None


def find(data_folder: Path | None) -> Path | None:
    """The data folder to look at; None when the environment names the chain, or nothing does."""
    if data_folder is not None:
        return data_folder
    return None if "CARTSCOPE_STORE_URL" in os.environ else latest()


def settings_of(folder: Path | None) -> Settings:
    """The settings of the chain in a data folder; those of the environment without one.

    Who looks at a chain is disturbed by none of its faults.

    Raises:
        UsageError: when no chain ever ran in the folder.
    """
    settings = load_settings().model_copy(update={"faults_file": None})
    if folder is None:
        return settings
    running = read_running(folder)
    urls = running["urls"]
    return settings.model_copy(
        update={
            "store_url": urls["store"],
            "bus_url": urls["bus"],
            "mail_url": f"maildir:///{running['folders']['mail']}",
        }
    )


def metrics_of(folder: Path) -> Mapping[str, str]:
    """Where the processes of the chain in a data folder show their metrics, by name; nothing while none runs.

    Roles that share a process are one there, under the name of them all.
    """
    try:
        running = read_running(folder)
    except UsageError:
        return {}
    names: dict[str, list[str]] = {}
    for name, url in running["urls"]["metrics"].items() if running["processes"] else ():
        names.setdefault(url, []).append(name)
    return {EMBEDDED if len(roles) > 1 else roles[0]: url for url, roles in names.items()}


def read_running(folder: Path) -> dict[str, Any]:
    """What `running.json` in a data folder says.

    Raises:
        UsageError: when it is not there, or not readable.
    """
    try:
        running: dict[str, Any] = json.loads((folder / RUNNING).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"no chain has run in {folder}: name the --data-dir of a demo or native run") from error
    return running
