"""The commands that this room adds to `cartscope`."""

from pathlib import Path
from typing import Annotated

import typer

from cart_handlers.dead_letter_commands import dead_letters
from cart_platform.commands import (
    LOOKING,
    PROCESSES,
    RUNS,
    AsJson,
    Columns,
    DataDir,
    Duration,
    Layout,
    Rate,
    ReplayFile,
    Seed,
)

commands = typer.Typer()
commands.add_typer(dead_letters, name="dead-letters", rich_help_panel=LOOKING)


@commands.command(rich_help_panel=RUNS)
def demo(
    rate: Rate = 20.0,
    duration: Duration = None,
    seed: Seed = 1,
    data_dir: DataDir = None,
    replay: ReplayFile = None,
    layout: Layout = "baskets",
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole chain in this one process, with nothing installed but Python.

    Shoppers keep it busy until Ctrl-C. With --replay it sends the commands of a file, waits until every event is
    handled, prints a summary and stops.
    """
    from cart_handlers import demo
    from cart_platform import lifetime
    from cart_platform.data_folder import DataFolder
    from cart_platform.driving import Run

    run = Run(rate, duration, seed, replay, layout, columns, as_json)
    run.check()
    with DataFolder(data_dir) as folder:
        raise typer.Exit(lifetime.run(lambda stop: demo.demo(run, folder, stop)))


@commands.command(rich_help_panel=LOOKING)
def audit(
    data_dir: Annotated[
        Path | None, typer.Option(help="Of the demo or native run to look at; else the latest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the event log against its effects: each one there, none repeated. Exits with 1 when one is."""
    import asyncio

    from cart_handlers import auditing

    text, code = asyncio.run(auditing.report(data_dir, as_json=as_json))
    typer.echo(text)
    raise typer.Exit(code)


@commands.command(rich_help_panel=PROCESSES)
def worker(
    handlers: Annotated[list[str], typer.Argument(metavar="HANDLER", help="Names from the table of handlers.")],
) -> None:
    """Handle events: run one or more handlers until stopped.

    SIGTERM or Ctrl-C finishes what is under way and gives back the rest; a second one stops at once.
    """
    from cart_handlers import roles
    from cart_observability.telemetry import silent
    from cart_platform import process
    from cart_platform.bootstrap import load_handlers
    from cart_platform.handler import service_name
    from cart_platform.settings import load_settings

    roles.choose(load_handlers(load_settings(), silent()), handlers)  # a wrong name is said before anything starts
    raise typer.Exit(process.run(service_name(*handlers), roles.workers(handlers)))
