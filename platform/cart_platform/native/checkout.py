"""The stack's own configuration files, which configure the servers of a native run too.

They are part of a checkout; an installed package has none of them.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[3]
PROMETHEUS: Final = FOLDER / "prometheus" / "prometheus.yml"
ALERTMANAGER: Final = FOLDER / "prometheus" / "alertmanager.yml"
COLLECTOR: Final = FOLDER / "tracing" / "collector.yml"
COLLECTOR_CONSOLE: Final = FOLDER / "tracing" / "collector-console.yml"
TEMPO: Final = FOLDER / "tracing" / "tempo.yml"
TEMPLATES: Final = FOLDER / "elk" / "elasticsearch"
