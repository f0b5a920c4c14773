"""The stack's Compose file, read as Compose reads it: merged, with the defaults of its variables put in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from support.documents import ROOT

SCHEMA = json.loads((ROOT / "tests/support/compose/compose-spec.json").read_text(encoding="utf-8"))
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
UNITS = {"m": 2**20, "g": 2**30}


def load(name: str) -> dict[str, Any]:
    """A Compose file of the repository, its variables replaced by their defaults."""
    text = (ROOT / name).read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda found: found.group(2), text).replace("$$", "$"))
    return read


def variables(name: str) -> dict[str, str]:
    """The variables of a Compose file and their defaults; raises AssertionError when one has two."""
    found: dict[str, str] = {}
    for variable, default in VARIABLE.findall((ROOT / name).read_text(encoding="utf-8")):
        assert found.setdefault(variable, default) == default, variable
    return found


@dataclass(frozen=True, slots=True)
class Mount:
    """What a service mounts where: a volume's name, or a path of the repository as `./path`."""

    source: str
    target: str
    is_read_only: bool

    @property
    def is_volume(self) -> bool:
        """Whether it is a named volume."""
        return not self.source.startswith(".")


@dataclass(frozen=True, slots=True)
class Service:
    """One service."""

    name: str
    settings: Mapping[str, Any]

    @property
    def image(self) -> str:
        """What it runs."""
        return str(self.settings["image"])

    @property
    def is_own(self) -> bool:
        """Whether it runs the project's own image."""
        return self.image == "cartscope:local"

    @property
    def runs_once(self) -> bool:
        """Whether it comes to an end by itself."""
        return bool(self.settings["restart"] == "no")

    @property
    def memory(self) -> int:
        """Bytes that it may use."""
        limit = self.settings["mem_limit"]
        return int(limit[:-1]) * UNITS[limit[-1]]

    @property
    def environment(self) -> Mapping[str, Any]:
        """Its variables."""
        found: Mapping[str, Any] = self.settings.get("environment", {})
        return found

    @property
    def command(self) -> list[str]:
        """What its image's program is told."""
        return [str(part) for part in self.settings.get("command", [])]

    @property
    def mounts(self) -> Iterator[Mount]:
        """What it mounts."""
        for text in self.settings.get("volumes", []):
            source, target, *options = text.split(":")
            yield Mount(source, target, options == ["ro"])

    @property
    def waits_for(self) -> Mapping[str, str]:
        """The services that it waits for, and what of them."""
        return {name: wish["condition"] for name, wish in self.settings.get("depends_on", {}).items()}


def services() -> dict[str, Service]:
    """The services of docker-compose.yml by name."""
    return {name: Service(name, settings) for name, settings in load("docker-compose.yml")["services"].items()}
