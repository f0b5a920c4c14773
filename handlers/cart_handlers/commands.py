"""The commands that this room adds to `cartscope`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cart_handlers.dead_letter_commands import dead_letters
from cart_platform.commands import LOOKING, PROCESSES, RUNS, AsJson, Open, run_command

if TYPE_CHECKING:
    from cart_platform.commands import Runner

HOST = "127.0.0.1"
OTLP_PORT = 4318
"""Where exporters send when they are told nothing (OpenTelemetry's default for HTTP)."""

commands = typer.Typer()
commands.add_typer(dead_letters, name="dead-letters", rich_help_panel=LOOKING)


def _demo() -> "Runner":
    from cart_handlers.demo import demo

    return demo


commands.command("demo", rich_help_panel=RUNS)(
    run_command("Run the whole chain in this one process, with nothing installed but Python.", _demo)
)


@commands.command(rich_help_panel=LOOKING)
def console(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="Of a demo or native run to look at, running or not.")] = None,
    metrics: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]URL", help="Of a process's /metrics; may be given again.")
    ] = None,
    logs: Annotated[Path | None, typer.Option(help="A folder of log files (NAME.log, a JSON object a line).")] = None,
    otlp: Annotated[
        int, typer.Option(min=0, max=65535, help="The port for spans (OTLP over HTTP); 0 takes a free one.")
    ] = OTLP_PORT,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond this machine a token is needed.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of the page; 0 takes a free one.")] = 8080,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name that the page goes by; may be given again.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Where everything is kept; else in the data folder, or in a fresh one.")
    ] = None,
    max_age: Annotated[
        float | None,
        typer.Option(
            min=0.01, metavar="HOURS", help="How long it is kept; 24, what an ended run left stays.", show_default=False
        ),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=16_000_000, help="How large the file may become.")] = 2_000_000_000,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    chain: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The API of a chain that the environment names: adds shop, faults, dead letters."
        ),
    ] = None,
    stack: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A checkout, whose dashboards and searches the page is to lead to."),
    ] = None,
    published_on_loopback: Annotated[
        bool,
        typer.Option(help="Only this machine reaches the port (a container): looking needs no token, acting does."),
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The token; else one is made, and printed.")
    ] = None,
    open_browser: Open = False,
) -> None:
    """Serve a page that shows metrics, log lines and traces of any services, or of a run of this program.

    Nothing else is needed: metrics are scraped, log files followed, spans taken by OTLP over HTTP. What came is kept
    in one file, and is there again when the console is started on it anew.
    """
    from cart_handlers.console import Wish, kept_seconds, named, run_console, token_in
    from cart_observability.console.console import Place
    from cart_observability.console.pruning import Bounds
    from cart_platform import lifetime

    wish = Wish(
        data_dir=data_dir,
        metrics=named(metrics or ()),
        logs=logs,
        file=file,
        otlp=otlp,
        place=Place(host, port, tuple(allow_host or ()), token_in(token_file), published_on_loopback),
        bounds=Bounds(kept_seconds(max_age, data_dir), max_bytes),
        title=title or ("Cartscope" if data_dir else "Console"),
        chain=chain,
        stack=stack,
        opens_browser=open_browser,
    )
    raise typer.Exit(lifetime.run(lambda stop: run_console(wish, stop)))


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
