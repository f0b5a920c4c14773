"""Switches faults for a person or a script, in the chain that a command looks at."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError, UsageError
from cart_platform.faults.catalogue import CATALOGUE, Fault, named
from cart_platform.faults.switchboard import Switchboard, SwitchedOn, switched_on
from cart_platform.handler import Handler
from cart_platform.settings import load_settings
from cart_platform.whereabouts import find, read_running

WATCHED = ("dashboard", "metric", "logs", "command")
"""Of what there is to watch, that which makes sense outside the console."""


def switchboard_of(data_dir: Path | None, *, running: bool = False) -> Switchboard:
    """The switchboard of a chain: in a data folder, by the environment, or of the run that was the latest.

    Raises:
        UsageError: when there is no such chain, when it has no switchboard, or when it must run and does not.
    """
    if data_dir is None and (file := load_settings().faults_file) is not None:
        return Switchboard(file)
    folder = find(data_dir)
    if folder is None:
        raise UsageError(
            "no chain is known in which faults can be switched: start a demo or native run, or set "
            "CARTSCOPE_FAULTS_FILE to the same file for this command and for every process of the chain"
        )
    read_running(folder)
    if running and not DataFolder.is_in_use(folder):
        raise UsageError(f"the chain in {folder} does not run: start it again, or name the --data-dir of one that does")
    return Switchboard(DataFolder(folder).faults)


def switch_on(
    board: Switchboard, name: str, table: Sequence[Handler], handler: str | None, seconds: float | None
) -> str:
    """Switch a fault on; gives what to say about it.

    Raises:
        UsageError: when it cannot be as asked.
        CartscopeError: when the switchboard cannot be read or written.
    """
    fault = named(name)
    if fault.happens_once and seconds is not None:
        raise UsageError(f"{name} happens once: it takes no --seconds")
    if seconds is not None and seconds <= 0:
        raise UsageError(f"{name} for {seconds:g} s: give more than 0")
    entry = switched_on(name, seconds=seconds)
    entries = [msgspec.structs.replace(entry, handler=chosen) for chosen in fault.handlers(table, handler)]
    board.on(entries)
    state = "happens" if fault.happens_once else "is on"
    return "\n".join([f"{name} {state}{_for(entries)}: {fault.does}", *_watch(fault)])


def switch_off(board: Switchboard, name: str) -> str:
    """Switch a fault off for every handler; gives what to say. Raises as `switch_on`."""
    return f"{named(name).name} is off" if board.off(name) else f"{name} was not on"


def still_on(file: Path) -> Sequence[str]:
    """Lines for a person who resumes a run whose faults were never switched off; none where nothing can be read."""
    try:
        entries = Switchboard(file).read()
    except CartscopeError:
        return []
    names = dict.fromkeys(entry.fault for entry in entries)
    return [f"{name} is on{_for(_of(name, entries))} (cartscope faults off {name} ends it)" for name in names]


def as_text(entries: Sequence[SwitchedOn]) -> str:
    """The catalogue for a person, with what is on."""
    return "\n\n".join(
        "\n".join([f"{name}: {_state(_of(name, entries))}", f"  {fault.does}", *_watch(fault)])
        for name, fault in CATALOGUE.items()
    )


def as_json(entries: Sequence[SwitchedOn]) -> str:
    """The catalogue as a script reads it, with what is on."""
    return json.dumps([document(fault, entries) for fault in CATALOGUE.values()])


def document(fault: Fault, entries: Iterable[SwitchedOn]) -> dict[str, Any]:
    """A fault as a script reads it, with those of the entries that are its own."""
    return {
        "name": fault.name,
        "concerns": fault.concerns.name.lower(),
        "does": fault.does,
        "happens_once": fault.happens_once,
        "watch": {name: getattr(fault.watch, name) for name in WATCHED},
        "on": [
            {
                "handler": entry.handler,
                "since": msgspec.to_builtins(entry.since),
                "until": msgspec.to_builtins(entry.until),
            }
            for entry in _of(fault.name, entries)
        ],
    }


def _of(name: str, entries: Iterable[SwitchedOn]) -> list[SwitchedOn]:
    return [entry for entry in entries if entry.fault == name]


def _state(entries: Sequence[SwitchedOn]) -> str:
    return f"on{_for(entries)} since {entries[0].since:%H:%M:%S} UTC" if entries else "off"


def _for(entries: Sequence[SwitchedOn]) -> str:
    """Which handlers, and until when."""
    handlers = ", ".join(entry.handler for entry in entries if entry.handler is not None)
    until = entries[0].until
    return (f" for {handlers}" if handlers else "") + (f" until {until:%H:%M:%S} UTC" if until else "")


def _watch(fault: Fault) -> list[str]:
    watch = fault.watch
    return [
        f"  metric     {watch.metric}",
        f"  dashboard  {watch.dashboard}",
        f"  logs       {watch.logs}",
        f"  command    {watch.command}",
    ]
