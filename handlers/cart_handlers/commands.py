"""The commands that this room adds to `cartscope`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cart_handlers.dead_letter_commands import dead_letters
from cart_platform.commands import LOOKING, PROCESSES, RUNS, AsJson, run_command

if TYPE_CHECKING:
    from cart_platform.commands import Runner

commands = typer.Typer()
commands.add_typer(dead_letters, name="dead-letters", rich_help_panel=LOOKING)


def _demo() -> "Runner":
    from cart_handlers.demo import demo

    return demo


commands.command("demo", rich_help_panel=RUNS)(
    run_command("Run the whole chain in this one process, with nothing installed but Python.", _demo)
)


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
