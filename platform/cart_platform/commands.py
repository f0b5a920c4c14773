"""The commands of this room: the API, the relay and the load.

A command imports what it runs when it runs, so that `--help` is quick and no process carries what only another needs.
"""

import json
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

commands = typer.Typer()

RUNS = "The whole chain on this machine"
PROCESSES = "Processes of the chain"
LOOKING = "Looking at a chain"

UNDER_LOAD = """

Shoppers keep it busy until Ctrl-C. With --replay it sends the commands of a file, waits until every event is handled,
prints a summary and stops.
"""

if TYPE_CHECKING:
    from cart_platform.data_folder import DataFolder
    from cart_platform.driving import Run
    from cart_platform.lifetime import Stop

    Runner = Callable[[Run, DataFolder, Stop], Coroutine[Any, Any, int]]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Rate = Annotated[float, typer.Option(help="Commands per second, on average.")]
Duration = Annotated[float | None, typer.Option(help="Seconds after which to stop; until Ctrl-C when not given.")]
Seed = Annotated[int, typer.Option(help="The same seed makes the same commands.")]
ReplayFile = Annotated[
    Path | None, typer.Option("--replay", metavar="FILE", help="Send the commands of a file instead.")
]
Layout = Annotated[str, typer.Option(help="Of the file: baskets (a line a cart) or lines (a CSV row a command).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Where everything is kept, and resumed from; a fresh folder when not given.")
]
Columns = Annotated[str | None, typer.Option(help="Of a file of lines: cart=A,product=B,quantity=C.")]


@commands.command(rich_help_panel=PROCESSES)
def api() -> None:
    """Serve the HTTP API, on 127.0.0.1:8000 unless CARTSCOPE_HOST and CARTSCOPE_API_PORT say otherwise."""
    from cart_platform import process, roles

    raise typer.Exit(process.run("cartscope-api", roles.api))


@commands.command(rich_help_panel=PROCESSES)
def relay() -> None:
    """Take events from the outbox to the bus; any number of relays share the work."""
    from cart_platform import process, roles

    raise typer.Exit(process.run("cartscope-relay", roles.relay))


def run_command(what: str, runner: "Callable[[], Runner]") -> Callable[..., None]:
    """A command that runs the whole chain under a load; `runner` imports and gives what runs it."""

    def command(
        rate: Rate = 20.0,
        duration: Duration = None,
        seed: Seed = 1,
        data_dir: DataDir = None,
        replay: ReplayFile = None,
        layout: Layout = "baskets",
        columns: Columns = None,
        as_json: AsJson = False,
    ) -> None:
        from cart_platform import lifetime
        from cart_platform.data_folder import DataFolder
        from cart_platform.driving import Run

        run = Run(rate, duration, seed, replay, layout, columns, as_json)
        run.check()
        start = runner()
        with DataFolder(data_dir) as folder:
            raise typer.Exit(lifetime.run(lambda stop: start(run, folder, stop)))

    command.__doc__ = what + UNDER_LOAD
    return command


def _native() -> "Runner":
    from cart_platform.native.run import run_native

    return run_native


commands.command("native", rich_help_panel=RUNS)(
    run_command(
        "Run the whole chain on real Redis, RabbitMQ and Prometheus, each a process that is restarted when it dies.",
        _native,
    )
)


@commands.command(rich_help_panel=LOOKING)
def status(
    data_dir: Annotated[
        Path | None, typer.Option(help="Of the demo or native run to look at; else the latest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell how a chain is doing: counts, rates, processing times, backlog, restarts."""
    import asyncio

    from cart_platform import status

    typer.echo(asyncio.run(status.status(data_dir, as_json=as_json)))


@commands.command(rich_help_panel=PROCESSES)
def shop(
    url: Annotated[str, typer.Option(help="The API to drive.")] = "http://127.0.0.1:8000",
    rate: Rate = 20.0,
    duration: Duration = None,
    profile: Annotated[str, typer.Option(help="How the rate moves: steady, ramp, burst or daily.")] = "steady",
    seed: Seed = 1,
    wait: Annotated[int | None, typer.Option(help="Ask the API to wait so many seconds for results.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Carts with a request under way, at most.")] = None,
    replay: ReplayFile = None,
    layout: Layout = "baskets",
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Be the shoppers: send commands to an API, at times that do not depend on how it answers.

    Latencies count from the moment a command was meant to be sent. A request that fails is repeated under the same
    Idempotency-Key. Exits with 1 when commands were given up.
    """
    from cart_platform import lifetime, loading
    from cart_platform.shoppers import Load, Replay, parse_columns

    if replay is not None:
        names = parse_columns(columns) if columns else None
        load: Load | Replay = Replay(url, replay, layout, names, wait=wait, concurrency=concurrency or 64)
    else:
        seconds = math.inf if duration is None else duration
        load = Load(url, rate, seconds, profile, seed, wait=wait, concurrency=concurrency or 256)

    async def main(stop: lifetime.Stop) -> int:
        summary = await loading.run(load, stop)
        typer.echo(json.dumps(summary.as_dict()) if as_json else loading.describe_summary(summary))
        return 1 if summary.failed else 0

    raise typer.Exit(lifetime.run(main))
