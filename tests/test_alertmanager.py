"""What Alertmanager tells with the stack's own file, and what it keeps to itself."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from conftest import skip_or_fail
from support.alertmanager import STACK, Alertmanager, alertmanager, available
from support.servers import wait_until

RULES = yaml.safe_load((STACK.parent / "rules" / "alerts.yml").read_text())
SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for group in RULES["groups"] for rule in group["rules"]}
UNCONCERNED = ("TargetDown job=tempo", "DeadLetters handler=popularity", "Watchdog")
"""They fire in every case, follow from nothing in it, and are always told."""


def labels(alert: str) -> dict[str, str]:
    """The labels of an alert that is written as its name and further labels."""
    name, *others = alert.split()
    return {"alertname": name, "severity": SEVERITIES.get(name, "page")} | dict(other.split("=", 1) for other in others)


def written(alert: Mapping[str, str]) -> str:
    """The inverse of `labels`, without a severity that the rules give."""
    own = {name: value for name, value in alert.items() if name != "alertname"}
    if own["severity"] == SEVERITIES.get(alert["alertname"], "page"):
        del own["severity"]
    return " ".join([alert["alertname"], *(f"{name}={value}" for name, value in sorted(own.items()))])


QUEUES = ("BacklogGrowing", "BacklogForecast", "QueuedEventTooOld", "FreshnessBudgetBurn")
NOT_PUBLISHED = ("OutboxEventTooOld", "PublishUnconfirmed", "RelayStopped cause=stuck")
STUCK = ("HandlerWithoutProgress handler=threshold", *(f"{name} handler=threshold" for name in QUEUES))

CAUSES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "broker down": (
        ("BrokerDown",),
        (
            "BrokerBlocked",
            "HandlerWithoutConsumer handler=threshold",
            "TargetDown job=rabbitmq",
            "TargetDown job=rabbitmq-queues",
            *NOT_PUBLISHED,
            *STUCK,
        ),
    ),
    "broker short of memory": (("BrokerAlarm alarm=memory",), ("BrokerBlocked", *NOT_PUBLISHED, *STUCK)),
    "broker blocks": (
        ("BrokerBlocked", "TargetDown job=rabbitmq", "RelayStopped cause=down"),
        (*NOT_PUBLISHED, *STUCK),
    ),
    "store down": (
        ("StoreDown", "PublishUnconfirmed", "RelayStopped cause=down"),
        ("ApiErrors", "ApiSlow", "OutboxEventTooOld", "RelayStopped cause=stuck", *STUCK),
    ),
    "relay down": (
        ("RelayStopped cause=down", "TargetDown cause=down job=cartscope process=api"),
        (
            "OutboxEventTooOld",
            "TargetDown cause=down job=cartscope process=relay",
            "FreshnessBudgetBurn handler=threshold",
        ),
    ),
    "worker gone": (
        (
            "HandlerWithoutConsumer handler=threshold",
            "BacklogGrowing handler=popularity",
            "FreshnessBudgetBurn handler=popularity",
        ),
        tuple(f"{name} handler=threshold" for name in QUEUES),
    ),
    "worker stuck": (
        ("HandlerWithoutProgress handler=threshold", "QueuedEventTooOld handler=popularity"),
        tuple(f"{name} handler=threshold" for name in QUEUES),
    ),
    "budget burns fast": (
        (
            "FreshnessBudgetBurn handler=threshold window=1h",
            "FreshnessBudgetBurn handler=popularity window=6h",
            "SuccessBudgetBurn handler=threshold window=6h",
        ),
        ("FreshnessBudgetBurn handler=threshold window=6h", "DeadLetters handler=threshold"),
    ),
    "backlog": (
        ("BacklogGrowing handler=threshold", "BacklogForecast handler=popularity"),
        ("BacklogForecast handler=threshold",),
    ),
    "one alert of two severities": (
        (
            "Own severity=page handler=threshold",
            "Own severity=ticket handler=popularity",
            "Other severity=ticket handler=threshold",
        ),
        ("Own severity=ticket handler=threshold",),
    ),
}
"""For each state of the chain: what is told, and what fires and is kept back because it follows."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that waits for a second for what belongs together."""
    if not available():
        skip_or_fail("alertmanager")
    with alertmanager(tmp_path, group_wait="1s") as running:
        yield running


@pytest.mark.parametrize("cause", CAUSES)
def test_what_follows_is_not_told(server: Alertmanager, cause: str) -> None:
    """The cause is told and what has nothing to do with it; what follows from it is not."""
    told, kept_back = CAUSES[cause]
    fired = [*told, *kept_back, *UNCONCERNED]
    server.fire([labels(alert) for alert in fired])
    wait_until(lambda: server.known() == len(fired), "all alerts taken", 20)
    wait_until(lambda: len(server.told()) == len(fired) - len(kept_back), f"{len(kept_back)} kept back", 20)
    expected = {written(labels(alert)) for alert in (*told, *UNCONCERNED)}
    assert expected == {written(alert) for alert in server.told()}


def test_every_inhibition_is_about_alerts_that_there_are() -> None:
    """Each name or pattern of an alert in the inhibitions fits one of the rules."""
    named = {
        pattern
        for rule in yaml.safe_load(STACK.read_text())["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
        for pattern in matcher.split('"')[1].split("|")
    }
    assert set() == {pattern for pattern in named if not any(re.fullmatch(pattern, name) for name in SEVERITIES)}


def test_what_belongs_together_is_one_readable_mail(server: Alertmanager) -> None:
    """A page, a ticket of two handlers, an info and the dead man's switch go to an address each, as plain text."""
    alerts = [
        "StoreDown",
        "ApiErrors",
        "DeadLetters handler=threshold",
        "DeadLetters handler=popularity",
        "DuplicatesUnusual handler=threshold",
        "Watchdog",
    ]
    annotations = {
        "summary": "What is the matter",
        "description": "The value is 7.",
        "dashboard": "/d/handlers",
        "runbook_url": "https://github.com/cartscope/cartscope/blob/main/docs/runbooks/DeadLetters.md",
    }
    server.fire([labels(alert) for alert in alerts], annotations)
    wait_until(lambda: len(server.mailbox.mails) == 4, "an e-mail for each group", 30)
    told = {mail["To"]: mail["Subject"] for mail in server.mailbox.mails}
    assert {
        "on-call@example.com": "page firing: StoreDown (1)",
        "tickets@example.com": "ticket firing: DeadLetters (2)",
        "info@example.com": "info firing: DuplicatesUnusual (1)",
        "watchdog@example.com": "info firing: Watchdog (1)",
    } == told
    (ticket,) = server.mailbox.to("tickets@example.com")
    assert "alertmanager@example.com" == ticket["From"]
    (part,) = ticket.iter_parts()
    assert "text/plain" == part.get_content_type()
    text = part.get_content()
    for line in (
        "FIRING  DeadLetters: What is the matter",
        "The value is 7.",
        "labels     alertname=DeadLetters handler=popularity severity=ticket",
        "labels     alertname=DeadLetters handler=threshold severity=ticket",
        f"runbook    {annotations['runbook_url']}",
        "dashboard  http://127.0.0.1:3000/d/handlers",
        "query      http://127.0.0.1:9090/graph",
    ):
        assert line in [shown.rstrip() for shown in text.splitlines()]
