"""The alerts: each complete, tested in both directions, and taken by the servers' own checkers."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cart_platform.native.installed import find
from conftest import skip_or_fail

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "prometheus"
TESTS = sorted((FOLDER / "tests").glob("*.yml"))
RUNBOOKS = "https://github.com/cartscope/cartscope/blob/main/docs/runbooks/"
ALWAYS_FIRES = {"Watchdog"}
GROUPS = yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = sorted({rule["alert"] for rule in RULES})


def cases() -> Iterator[Mapping[str, Any]]:
    """What promtool is to see of alerts, over all files."""
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            yield from test.get("alert_rule_test", ())


CASES = list(cases())


def identity(rule: Mapping[str, Any]) -> str:
    """What tells a rule from others of the same alert."""
    return "-".join([rule["alert"], *(rule["labels"].get(name, "") for name in ("window", "cause"))]).strip("-")


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_alert_is_complete(rule: Mapping[str, Any]) -> None:
    """Every alert says how urgent it is, what is the matter with the value, and where to look and read on."""
    assert rule["labels"]["severity"] in {"page", "ticket", "info"}
    annotations = rule["annotations"]
    assert {"summary", "description", "dashboard", "runbook_url"} == annotations.keys()
    assert "$value" in annotations["description"]
    assert f"{RUNBOOKS}{rule['alert']}.md" == annotations["runbook_url"]


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_alert_leads_to_a_dashboard(rule: Mapping[str, Any]) -> None:
    """The dashboard that an alert names is one of ours."""
    uids = [yaml.safe_load(file.read_text())["uid"] for file in (ROOT / "grafana" / "dashboards").glob("*.json")]
    assert rule["annotations"]["dashboard"] in [f"/d/{uid}" for uid in uids]


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_a_runbook(alert: str) -> None:
    """Who is called finds a page that is about this alert."""
    assert alert in (ROOT / "docs" / "runbooks" / f"{alert}.md").read_text().splitlines()[0]


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_alert_fires_in_a_test(rule: Mapping[str, Any]) -> None:
    """A case of promtool has this very rule fire."""
    fired = [
        alert["exp_labels"] for case in CASES if case["alertname"] == rule["alert"] for alert in case["exp_alerts"]
    ]
    assert any(rule["labels"].items() <= labels.items() for labels in fired)


@pytest.mark.parametrize("alert", sorted({*ALERTS} - ALWAYS_FIRES))
def test_alert_is_silent_in_a_test(alert: str) -> None:
    """A case of promtool has the alert not fire, at all."""
    assert any(case["alertname"] == alert and not case["exp_alerts"] for case in CASES)


def test_cases_are_of_alerts_that_there_are() -> None:
    """No case holds because it names an alert that does not exist."""
    assert set(ALERTS) == {case["alertname"] for case in CASES}


def test_each_group_has_its_file_of_cases() -> None:
    """The alerts of a group are tested in the file of its name, and no group is called as one that records."""
    for group in GROUPS:
        file = FOLDER / "tests" / f"{group['name'].removesuffix('-alerts')}.yml"
        tested = {
            case["alertname"] for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]
        }
        assert {rule["alert"] for rule in group["rules"]} == tested
        assert group["name"].endswith("-alerts")


def test_every_recording_rule_has_a_case() -> None:
    """Each recorded series is held against a value, in a case of its own or through an alert that reads it."""
    groups = yaml.safe_load((FOLDER / "rules" / "recording.yml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    text = "".join(file.read_text() for file in TESTS if file.name.startswith("recording"))
    assert set() == {name for name in recorded if name not in text}


def check(program: str, *arguments: str | Path) -> None:
    """Run a checker in the folder of the configuration; it has to be content."""
    executable = find(program)
    if executable is None:
        skip_or_fail(program)
    checked = subprocess.run(
        [str(executable), *arguments],
        cwd=FOLDER,
        env=os.environ | {"NO_COLOR": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert 0 == checked.returncode, checked.stdout


def test_prometheus_takes_its_files() -> None:
    """Configuration and rules are what Prometheus itself can load."""
    check("promtool", "check", "config", "prometheus.yml")
    check("promtool", "check", "rules", *sorted((FOLDER / "rules").glob("*.yml")))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_rules_do_as_their_cases_say(file: Path) -> None:
    """Alerts fire and are silent, and recorded series have the values, as the cases say."""
    check("promtool", "test", "rules", file)


def test_rules_are_clean() -> None:
    """The linter finds nothing to warn of."""
    check("pint", "--offline", "lint", "--fail-on=warning", "rules")


def test_alertmanager_takes_its_file() -> None:
    """The configuration is what Alertmanager itself can load."""
    check("amtool", "check-config", "alertmanager.yml")
