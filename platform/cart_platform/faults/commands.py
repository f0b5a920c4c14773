"""The commands `cartscope faults ...`."""

from pathlib import Path
from typing import Annotated

import typer

from cart_platform.errors import UsageError

faults = typer.Typer(help="Switch faults on in a running chain, and see what becomes of them.")

DataDir = Annotated[Path | None, typer.Option(help="Of the demo or native run to disturb; else the latest.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a fault, as the list has it.")]


@faults.command("list")
def list_all(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """List the faults: what each does, where it is seen, and whether it is on."""
    from cart_platform.faults import switching

    entries = switching.switchboard_of(data_dir).read()
    typer.echo(switching.as_json(entries) if as_json else switching.as_text(entries))


@faults.command()
def on(
    name: Name,
    handler: Annotated[str | None, typer.Option(help="Disturb this handler alone; every one when not given.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Switch it off by itself after so long.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Switch a fault on; every process that it concerns acts on it within a second."""
    from cart_observability.telemetry import silent
    from cart_platform.bootstrap import load_handlers
    from cart_platform.faults import switching
    from cart_platform.faults.catalogue import named
    from cart_platform.settings import load_settings

    named(name)  # a wrong name is said before anything is looked for
    board = switching.switchboard_of(data_dir, running=True)
    table = load_handlers(load_settings(), silent())
    typer.echo(switching.switch_on(board, name, table, handler, seconds))


@faults.command()
def off(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of a fault that is on.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Switch a fault off, for every handler."""
    from cart_platform.faults import switching
    from cart_platform.faults.catalogue import named

    if every == (name is not None):
        raise UsageError("name a fault, or --all")
    if name is not None:
        named(name)
    board = switching.switchboard_of(data_dir)
    if name is None:
        board.clear()
        typer.echo("every fault is off")
    else:
        typer.echo(switching.switch_off(board, name))
