"""The life of dead letters at the command line: given up by one run, looked at, replayed into the next, or purged."""

import asyncio
import base64
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from cart_platform.bus import EVENTS_EXCHANGE, Publication
from cart_platform.events import Message
from cart_platform.looking import looking
from support.program import Ask, cartscope, running
from support.servers import wait_until
from support.strict_handlers import BROKEN, POISON

pytest_plugins = ["support.asking"]

ROWS = f"cart,product,quantity\na,{POISON},12\na,milk,1\nb,{BROKEN},3\n"
IDLE = ("--rate", "0.001")
GARBAGE = b"\xff\xfe no event"
STRICT = {
    "CARTSCOPE_HANDLERS": "support.strict_handlers:handlers",
    "CARTSCOPE_RETRY_DELAYS": "[0.1, 0.2]",
    "PYTHONPATH": os.fspath(Path(__file__).parent),
}


@pytest.fixture(scope="module")
def given_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo whose handlers rejected one event, failed at another, and were sent garbage."""
    home = tmp_path_factory.mktemp("dead-letters")
    rows, data = home / "rows.csv", home / "data"
    rows.write_text(ROWS)
    state = {"XDG_STATE_HOME": str(home)}
    assert 0 == cartscope("demo", *IDLE, "--duration", "0.1", "--data-dir", data, **state).code
    asyncio.run(publish_garbage(data))
    finished = cartscope("demo", "--replay", rows, "--layout", "lines", "--data-dir", data, "--json", **STRICT, **state)
    assert 0 == finished.code, finished.errors
    counts = {name: handler["dead_lettered"] for name, handler in finished.json["handlers"].items()}
    assert {"threshold": 2, "popularity": 2, "notification": 0} == counts
    return data


async def publish_garbage(data: Path) -> None:
    """Put a message that is no event on the way of cart events."""
    async with looking(data) as parts:
        message = Message(GARBAGE, {"who": "a stranger"}, "text/plain", "garbage-1")
        assert ["confirmed"] == await parts.bus.publish([Publication(EVENTS_EXCHANGE, "cart.item_added", message)])


@pytest.fixture
def data(given_up: Path, tmp_path: Path) -> Path:
    """A copy of that folder for one test."""
    copy = tmp_path / "data"
    shutil.copytree(given_up, copy)
    file = copy / "running.json"
    file.write_text(file.read_text().replace(str(given_up), str(copy)))
    return copy


def listed(ask: Ask, data: Path, options: str = "") -> list[dict[str, Any]]:
    """The dead letters as a script reads them."""
    told = ask("dead-letters list --json --data-dir", data, options)
    assert (0, "") == (told.code, told.errors)
    return list(told.json)


def reasons(letters: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Queue, reason and attempts of each letter."""
    return sorted((letter["queue"], letter["reason"], letter["attempts"]) for letter in letters)


def of_reason(letters: list[dict[str, Any]], reason: str) -> dict[str, Any]:
    """The first letter with this reason."""
    return next(letter for letter in letters if letter["reason"] == reason)


def test_list(ask: Ask, data: Path) -> None:
    """Each dead letter has its queue, reason and attempts, for a person in one line."""
    letters = listed(ask, data)
    assert [
        ("cart.popularity", "attempts_exhausted", 3),
        ("cart.popularity", "not_json", 1),
        ("cart.threshold", "not_json", 1),
        ("cart.threshold", POISON, 1),
    ] == reasons(letters)
    lines = ask("dead-letters list --data-dir", data).output.splitlines()
    assert [letter["id"] for letter in letters] == [line.split()[0] for line in lines]
    assert any(line.endswith("RuntimeError: this is broken") and "after 3 attempts" in line for line in lines)


def test_list_of_one_handler(ask: Ask, data: Path) -> None:
    """`--handler` leaves the others out, and a handler that is none gets one line."""
    assert {"cart.threshold"} == {letter["queue"] for letter in listed(ask, data, "--handler threshold")}
    assert [] == listed(ask, data, "--handler notification")
    assert "no dead letters\n" == ask("dead-letters list --handler notification --data-dir", data).output
    refused = ask("dead-letters list --handler accounting --data-dir", data)
    assert "no handler is called accounting" in refused.complaint
    assert 2 == refused.code


def test_show_an_event_that_was_given_up(ask: Ask, data: Path) -> None:
    """A dead letter is shown with the history of its attempts, its headers and its body, by its id or its event's."""
    letter = of_reason(listed(ask, data), "attempts_exhausted")
    for identity in (letter["id"], letter["event_id"]):
        assert letter == ask("dead-letters show --json --data-dir", data, identity).json
    assert [1, 2, 3] == [failure["attempt"] for failure in letter["failures"]]
    assert {"RuntimeError: this is broken"} == {failure["error"] for failure in letter["failures"]}
    assert all(failure["traceback"].startswith("Traceback") for failure in letter["failures"])
    assert letter["event_id"] == letter["headers"]["cloudEvents_id"]
    assert (BROKEN, 3) == (json.loads(letter["body"])["product"], json.loads(letter["body"])["quantity"])
    text = ask("dead-letters show --data-dir", data, letter["id"]).output
    assert all(part in text for part in ("attempt 3 at ", 'raise RuntimeError("this is broken")', letter["body"]))


def test_show_what_is_no_event(ask: Ask, data: Path) -> None:
    """A message that could not be read keeps its bytes and headers as they came."""
    letter = of_reason(listed(ask, data), "not_json")
    assert (None, None) == (letter["event_id"], letter["event_type"])
    assert GARBAGE == base64.b64decode(letter["body_base64"])
    assert ("a stranger", "text/plain") == (letter["headers"]["who"], letter["content_type"])
    assert "unreadable" in ask("dead-letters show --data-dir", data, letter["id"]).output


@pytest.mark.parametrize("command", ["show", "replay", "purge"])
def test_a_letter_that_is_not_there(ask: Ask, data: Path, command: str) -> None:
    """An id that no dead letter has gets one line, and nothing is done to the others."""
    refused = ask(f"dead-letters {command} nobody --data-dir", data)
    assert "no dead letter nobody: cartscope dead-letters list shows those there are" == refused.complaint
    assert (2, 4) == (refused.code, len(listed(ask, data)))


def test_purge(ask: Ask, data: Path) -> None:
    """What is purged is gone, one or all; the audit goes on to tell of events that were given up."""
    garbage = of_reason(listed(ask, data), "not_json")
    assert {"purged": 1} == ask("dead-letters purge --json --data-dir", data, garbage["id"]).json
    assert 3 == len(listed(ask, data))
    assert "1 purged\n" == ask("dead-letters purge --all --handler threshold --data-dir", data).output
    assert "2 purged\n" == ask("dead-letters purge --all --data-dir", data).output
    assert [] == listed(ask, data)
    told = ask("audit --json --data-dir", data)
    assert (1, 2) == (told.code, told.json["findings"]["event given up"]["count"])


def test_status_knows_what_was_given_up(ask: Ask, data: Path) -> None:
    """The events that were given up are counted after the run has ended, too."""
    counts = ask("status --json --data-dir", data).json["handlers"]
    assert {"threshold": 1, "popularity": 1, "notification": 0} == {
        name: handler["dead_lettered"] for name, handler in counts.items()
    }


def test_replay_after_the_repair(ask: Ask, data: Path) -> None:
    """Events replayed to handlers that were repaired are done after all: effects, e-mail and audit are whole."""
    events = {letter["event_id"] for letter in listed(ask, data) if letter["event_id"]}
    assert {"replayed": 2} == ask("dead-letters replay --json --data-dir", data, *events).json
    with running("demo", *IDLE, "--json", folder=data) as run:
        wait_until(lambda: ask("audit --data-dir", data).code == 0, "every effect")
        summary = run.end(signal.SIGINT).json
    assert (1, [[POISON, 12], [BROKEN, 3], ["milk", 1]]) == (summary["notifications"], summary["popular"])
    assert [("cart.popularity", "not_json", 1), ("cart.threshold", "not_json", 1)] == reasons(listed(ask, data))


def test_replay_to_handlers_as_they_were(ask: Ask, data: Path) -> None:
    """Events that fail again are dead letters again, with a history that starts anew."""
    before = reasons(listed(ask, data))
    assert {"replayed": 4} == ask("dead-letters replay --all --json --data-dir", data).json
    assert [] == listed(ask, data)
    with running("demo", *IDLE, folder=data, **STRICT):
        wait_until(lambda: reasons(listed(ask, data)) == before, "the same dead letters")
