"""Kibana's settings: documented ones, and about what the set-up and Logstash do."""

import re
from pathlib import Path
from typing import Any

import yaml

from cart_observability.stack_setup import elasticsearch as prepared
from support import kibana
from support.logstash import plugins

ELK = Path(__file__).parent.parent / "elk"
TEXT = (ELK / "kibana/kibana.yml").read_text()

DOCUMENTED = {
    "server.name", "server.host", "server.publicBaseUrl", "server.shutdownTimeout", "elasticsearch.hosts",
    "elasticsearch.username", "elasticsearch.password", "xpack.security.authc.providers",
    "xpack.security.authc.selector.enabled", "uiSettings.overrides", "telemetry.optIn",
    "telemetry.allowChangingOptInStatus", "logging",
}  # fmt: skip
"""Keys of Kibana 9's configuration reference (`docs/reference/configuration-reference` of elastic/kibana)."""


def settings() -> dict[str, Any]:
    """The settings by their dotted names."""
    return dict(yaml.safe_load(TEXT))


def test_every_setting_is_documented() -> None:
    """The file has settings of Kibana's reference alone."""
    assert set() == settings().keys() - DOCUMENTED


def test_it_opens_on_what_is_imported() -> None:
    """The page that it opens on and the data view that Discover takes are among the objects."""
    shown = settings()["uiSettings.overrides"]
    (dashboard,) = kibana.of_type("dashboard")
    assert f"/app/dashboards#/view/{dashboard}" == shown["defaultRoute"]
    assert shown["defaultIndex"] in kibana.of_type("index-pattern")


def test_who_comes_only_looks() -> None:
    """Without a name one is the viewer that the set-up makes; who has a name may still say it."""
    providers = settings()["xpack.security.authc.providers"]
    first, second = sorted(providers, key=lambda name: int(providers[name]["order"]))
    assert ("anonymous", "basic") == (first.partition(".")[0], second.partition(".")[0])
    assert prepared.VIEWER == providers[first]["credentials"]["username"]


def test_no_password_is_written_down() -> None:
    """Both passwords come from the environment."""
    assert {"KIBANA_SYSTEM_PASSWORD", "VIEWER_PASSWORD"} == set(re.findall(r"\$\{(\w+)\}", TEXT))
    assert 2 == len(re.findall(r"password: \$\{\w+\}", TEXT))


def test_logstash_reads_its_log() -> None:
    """Its log file is one of those that Logstash reads as the stack's."""
    file = settings()["logging"]["appenders"]["file"]["fileName"]
    (reading,) = [plugin for plugin in plugins(ELK / "logstash/pipeline/stack.conf") if plugin.name == "file"]
    patterns = re.findall(r'"([^"]+)"', reading.options["path"])
    assert any(Path(file).match(pattern) for pattern in patterns)
