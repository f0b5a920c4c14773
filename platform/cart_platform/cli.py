"""The command line: `cartscope`. Rooms above this one add their commands by the entry point `cartscope.commands`."""

import sys
from importlib.metadata import entry_points, version
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from cart_platform.commands import commands
from cart_platform.errors import CartscopeError, UsageError

EXTENSIONS = "cartscope.commands"


def build() -> typer.Typer:
    """The program with the commands of every room."""
    app = typer.Typer(
        name="cartscope",
        help="An observable event-driven platform: carts, their events, handlers that react, and every link in sight.",
        add_completion=False,
        pretty_exceptions_enable=False,
        callback=_options,
    )
    app.add_typer(commands)
    for extension in sorted(entry_points(group=EXTENSIONS), key=lambda extension: extension.name):
        app.add_typer(extension.load())
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001  the form of an option's callback
    if wanted:
        typer.echo(f"cartscope {version('cartscope')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that go before a command."""


def main() -> None:
    """Run the program; an expected failure is one line on standard error and the error's exit code."""
    try:
        code = build()(sys.argv[1:] or ["--help"], prog_name="cartscope", standalone_mode=False)
    except CartscopeError as error:
        fail(str(error), error.exit_code)
    except TyperException as error:
        fail(f"{error.format_message().rstrip('.')} (cartscope --help explains)", UsageError.exit_code)
    except (KeyboardInterrupt, Abort):
        code = 130
    except SystemExit as end:
        # The reader of our output (a pager, `head`) is gone: typer calls it a failure, and it is none of ours.
        code = 0 if isinstance(end.__context__, BrokenPipeError) else end.code
    sys.exit(code)


def fail(text: str, code: int) -> NoReturn:
    """End with one line and an exit code."""
    sys.stderr.write(f"cartscope: {' '.join(text.split())}\n")
    sys.exit(code)
