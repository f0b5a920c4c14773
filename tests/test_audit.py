"""The audit, on the data of a real demo to which one damage was done."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cart_handlers import auditing
from support.program import cartscope

ROWS = "cart,product,quantity\na,milk,9\na,bread,1\nb,milk,4\nb,milk,1\nb,soap,2\n"
EVENTS = 6
"""Five rows, and one threshold reached."""

SECOND = '"units_before":4,'
FIRST = "SELECT min(position) FROM"
LAST = "position = (SELECT max(position) FROM events WHERE CAST(body AS TEXT) LIKE '%{}%')"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo that has replayed the rows."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "rows.csv").write_text(ROWS)
    data = folder / "data"
    options: list[str | Path] = ["--replay", folder / "rows.csv", "--layout", "lines", "--data-dir", data]
    finished = cartscope("demo", *options, XDG_STATE_HOME=str(folder))
    assert 0 == finished.code, finished.errors
    return data


@pytest.fixture
def folder(replayed: Path, tmp_path: Path) -> Path:
    """A copy of the data folder for one test."""
    copy = tmp_path / "data"
    shutil.copytree(replayed, copy)
    file = copy / "running.json"
    file.write_text(file.read_text().replace(str(replayed), str(copy)))
    return copy


def sql(statement: str) -> Callable[[Path], None]:
    """A damage done to the store, which must be one."""

    def damage(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "store.db")) as database, database:
            assert database.execute(statement).rowcount == 1

    return damage


def mail(folder: Path) -> Path:
    """The e-mail of the run."""
    (found,) = (folder / "mail" / "new").iterdir()
    return found


def remove_mail(folder: Path) -> None:
    """The e-mail is lost."""
    mail(folder).unlink()


def repeat_mail(folder: Path) -> None:
    """The e-mail was sent twice."""
    shutil.copy(mail(folder), folder / "mail" / "cur" / "again:2,S")


def add_mail(folder: Path) -> None:
    """Somebody got an e-mail for no reason."""
    (folder / "mail" / "new" / "unasked").write_text("Message-ID: <nobody@cartscope>\nSubject: Hello\n\nHello.\n")


DAMAGES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a result lost": (
        sql(f"DELETE FROM results WHERE position = ({FIRST} results WHERE handler = 'threshold')"),
        {"effect and result missing"},
    ),
    "an event given up": (
        sql(
            f"""UPDATE results SET body = CAST(replace(body, '"done"', '"dead_lettered"') AS BLOB)
            WHERE position = ({FIRST} results WHERE handler = 'popularity')"""
        ),
        {"event given up", "projection differs from the log"},
    ),
    "a total doubled": (
        sql("UPDATE projections SET total = 2 * total WHERE key = 'bread'"),
        {"projection differs from the log"},
    ),
    "a total lost": (sql("DELETE FROM projections WHERE key = 'soap'"), {"projection differs from the log"}),
    "a total of nothing": (
        sql("INSERT INTO projections VALUES ('product_popularity', 'nothing', 1)"),
        {"projection differs from the log"},
    ),
    "a follow-up event lost": (
        sql(f"DELETE FROM events WHERE {LAST.format('cart.threshold_reached')}"),
        {"follow-up event missing"},
    ),
    "a cart's event lost": (
        sql(f"DELETE FROM events WHERE {LAST.format(SECOND)}"),
        {"cart's events have a gap"},
    ),
    "a cart's last event lost": (
        sql(f"DELETE FROM events WHERE {LAST.format('soap')}"),
        {"cart differs from its events"},
    ),
    "an event not sent": (sql("UPDATE events SET sent = 0 WHERE position = 1"), {"event not published"}),
    "a cart changed": (
        sql("UPDATE carts SET body = CAST(replace(body, '\"soap\":2', '\"soap\":3') AS BLOB) WHERE id = 'b'"),
        {"cart differs from its events"},
    ),
    "an e-mail lost": (remove_mail, {"e-mail missing"}),
    "an e-mail sent twice": (repeat_mail, {"e-mail repeated"}),
    "an e-mail without reason": (add_mail, {"e-mail without a result"}),
}


def audited(folder: Path) -> tuple[int, dict[str, Any]]:
    """The exit code and what a script reads."""
    text, code = asyncio.run(auditing.report(folder, as_json=True))
    return code, json.loads(text)


def test_a_sound_run(folder: Path) -> None:
    """Where everything is there once, the audit has nothing to say and ends with 0."""
    assert (0, {"events": EVENTS, "complete": True, "findings": {}}) == audited(folder)
    finished = cartscope("audit", "--data-dir", folder)
    assert (0, "") == (finished.code, finished.errors)
    assert [f"{EVENTS} events read", "every event has its effect once, and nothing is missing or repeated"] == (
        finished.output.splitlines()
    )


@pytest.mark.parametrize(("damage", "kinds"), DAMAGES.values(), ids=DAMAGES.keys())
def test_each_damage_is_found(damage: Callable[[Path], None], kinds: set[str], folder: Path) -> None:
    """What is missing or repeated is named, each kind by its own word, and the audit ends with 1."""
    damage(folder)
    code, document = audited(folder)
    assert (1, kinds) == (code, set(document["findings"]))
    assert all(finding["count"] >= len(finding["examples"]) > 0 for finding in document["findings"].values())


def test_the_program_tells_a_damage(folder: Path) -> None:
    """A person reads what is missing with an example, and a script gets exit code 1."""
    remove_mail(folder)
    finished = cartscope("audit", "--data-dir", folder)
    assert (1, "") == (finished.code, finished.errors)
    assert "e-mail missing: 1\n  notification: " in finished.output
