"""What the page says of the map, and adds to it, as its modules work it out of what they are told."""

from typing import Any

import pytest

from support.page_modules import told


def node(kind: str, name: str, **known: Any) -> dict[str, Any]:
    """A node of a map of which nothing else is known."""
    names = ("service", "rate", "backlog", "oldest_age_s", "dead_letters", "p99_s", "arriving", "leaving", "wait_s")
    nothing = dict.fromkeys(names) | {"errors": 0.0, "last": 0.0, "column": 0}
    return {"id": f"{kind}:{name}", "kind": kind, "name": name, **nothing, **known}


def link(source: str, target: str, kind: str, **known: Any) -> dict[str, Any]:
    """A link of a map on which one a second flows."""
    ends = {"id": f"{source}>{target}", "from": source, "to": target, "kind": kind, "last": 0.0}
    return {**ends, "rate": 1.0, "errors": 0.0, "refused": 0.0, **known}


def tick(*handlers: dict[str, Any], queue: dict[str, Any] | None = None, **asked: float) -> dict[str, Any]:
    """What the page is told of a desk whose loans a fetcher takes from a queue, and follow-ups that it publishes."""
    passed = [node("service", "desk"), node("bus", "library"), node("queue", "shelf", **(queue or {}))]
    ways = [
        link("caller:callers", "service:desk", "request", **asked),
        link("service:desk", "bus:library", "publish", rate=asked.get("rate", 10.0)),
        link("queue:shelf", "handler:fetcher", "deliver"),
        link("handler:fetcher", "bus:library", "publish", rate=3.2),
    ]
    figures = {"arrival_rate": 13.2, "dead_letters": 4.0}
    taking = handlers or (node("handler", "fetcher"),)
    return {"now": 1, "figures": figures, "way": {"nodes": [*passed, *taking], "links": ways}}


COMING = "10 events a second come in and 3 follow from them"


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        ({}, f"{COMING}."),
        ({"backlog": 2.0, "rate": 10.0}, f"{COMING}, the handler keeps up."),
        ({"wait_s": 0.02}, f"{COMING}, the handler keeps up."),
        ({"arriving": 10.0, "leaving": 9.7}, f"{COMING}, the handler keeps up."),
        (
            {"arriving": 10.0, "leaving": 3.2},
            f"{COMING}. fetcher falls behind: 10 a second come and 3.2 are done.",
        ),
        ({"wait_s": 72.0}, f"{COMING}. fetcher falls behind: what it takes has waited for 1 min 12 s."),
        (
            {"backlog": 500.0, "rate": 10.0, "wait_s": 0.1},
            f"{COMING}. fetcher falls behind: 500 wait, 50 s of work.",
        ),
    ],
)
def test_keeping_up_is_said_where_it_is_known(queue: dict[str, Any], said: str) -> None:
    """Whether a handler keeps up is told by what waits, for how long it waited, or what comes; else it is not said."""
    assert said == told("way/words.js", "sentence", tick(queue=queue))


def test_one_handler_of_which_it_is_not_known() -> None:
    """That all keep up is not said where of one of them it is not known."""
    both = (node("handler", "fetcher"), node("handler", "notifier"))
    assert f"{COMING}." == told("way/words.js", "sentence", tick(*both, queue={"backlog": 0.0}))


def test_a_handler_that_fails_is_said() -> None:
    """Who fails is told as the map shows it, by metrics or by spans alone, and nobody is said to keep up."""
    failing = node("handler", "fetcher", errors=2.5)
    said = told("way/words.js", "sentence", tick(failing, queue={"backlog": 0.0}))
    assert f"{COMING}. fetcher fails, 2.5 times a second." == said


def test_requests_that_fail_are_said() -> None:
    """Where nothing comes in because requests fail, that is said, and nothing of who keeps up."""
    asked = tick(queue={"backlog": 0.0}, rate=0.0, errors=1.5, refused=2.0)
    asked["way"]["links"][-1]["rate"] = 0.0
    assert (
        "No events come in. Requests are refused, 2 times a second. Requests to desk fail, 1.5 times a second."
        == told("way/words.js", "sentence", asked)
    )


@pytest.mark.parametrize(
    ("failed", "leading"),
    [({"dead_letters": 4.0}, ["handler:fetcher"]), ({"errors": 0.5}, ["handler:fetcher"]), ({}, [])],
)
def test_only_who_failed_leads_to_the_failures(failed: dict[str, float], leading: list[str]) -> None:
    """Dead letters are linked with the handlers whose they are, not with all; where nobody tells, with none."""
    both = (node("handler", "fetcher", **failed), node("handler", "notifier"))
    drawn = told("way/failures.js", "Failures.added", tick(*both))
    assert 4.0 == next(each["backlog"] for each in drawn["nodes"] if each["id"] == "failures")
    assert leading == [each["from"] for each in drawn["links"] if each["to"] == "failures"]
