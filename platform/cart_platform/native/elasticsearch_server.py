"""Elasticsearch for log lines: one node on the loopback interface, of a distribution or of the bare core."""

import json
from pathlib import Path

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.probe import serves
from cart_platform.native.program import Program

# A distribution has security on unless told otherwise, and fetches a database from outside; this node serves the
# loopback interface alone. The core refuses to start with settings of what it lacks.
_DISTRIBUTION = {"xpack.security.enabled": False, "xpack.ml.enabled": False, "ingest.geoip.downloader.enabled": False}
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} [%p] [%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def is_distribution(executable: str) -> bool:
    """Whether it is Elastic's own distribution, with all that comes above the core."""
    modules = Path(executable).resolve().parents[1] / "modules"
    return (modules / "x-pack-core").is_dir() or not modules.is_dir()


def program(executable: str, folder: Path, port: int, transport_port: int) -> Program:
    """Write the node's configuration into the folder and give the program that runs it.

    Args:
        executable: Path of `bin/elasticsearch`; a distribution's refuses to be run by root.
        folder: Where its data live; made if absent.
        port: Of HTTP, on the loopback interface.
        transport_port: Of the node itself, on the loopback interface.
    """
    configuration = folder / "config"
    configuration.mkdir(parents=True, exist_ok=True)
    settings = {
        "cluster.name": "cartscope",
        "node.name": "cartscope",
        "discovery.type": "single-node",
        "network.host": LOOPBACK,
        "http.port": port,
        "transport.port": transport_port,
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "log"),
        # The last percentages of a small disk must not make the log store read-only.
        "cluster.routing.allocation.disk.threshold_enabled": False,
        **(_DISTRIBUTION if is_distribution(executable) else {}),
    }
    # JSON is YAML.
    (configuration / "elasticsearch.yml").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    (configuration / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    # A distribution insists on the file; an empty one adds nothing.
    (configuration / "jvm.options").write_text("", encoding="utf-8")
    return Program(
        name="elasticsearch",
        command=(executable,),
        folder=folder,
        environment={"ES_PATH_CONF": str(configuration), "ES_JAVA_OPTS": "-Xms512m -Xmx512m"},
        ready=lambda: serves(port, "/_cluster/health?wait_for_status=yellow&timeout=0s"),
        stop_seconds=30.0,
    )
