"""A saved object: what Kibana keeps, exports and imports, one JSON object a line."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CORE_VERSION = "8.8.0"
"""Of the envelope (`coreMigrationVersion`): the newest there is in version 9."""


@dataclass(frozen=True)
class Reference:
    """From one object to another: a name that is unique within the object, and the type and id of the other."""

    name: str
    type: str
    id: str

    def under(self, panel: str) -> "Reference":
        """As the dashboard names it for a panel: `PANEL:NAME`."""
        return Reference(f"{panel}:{self.name}", self.type, self.id)

    def as_json(self) -> dict[str, str]:
        """As it stands in an object."""
        return {"name": self.name, "type": self.type, "id": self.id}


@dataclass(frozen=True)
class SavedObject:
    """An object; `version` is that of its type's schema (`typeMigrationVersion`)."""

    type: str
    id: str
    version: str
    attributes: Mapping[str, Any]
    references: tuple[Reference, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As it stands in an export."""
        return {
            "type": self.type,
            "id": self.id,
            "attributes": self.attributes,
            "references": [reference.as_json() for reference in self.references],
            "coreMigrationVersion": CORE_VERSION,
            "typeMigrationVersion": self.version,
            "managed": False,
        }


def bucket(value: Any) -> str:
    """A value that Kibana keeps as text (`...JSON`), not as fields of its own."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def lines(objects: Iterable[SavedObject]) -> str:
    """Objects as newline-delimited JSON, the same text for the same objects."""
    return "".join(bucket(each.as_json()) + "\n" for each in objects)
