"""The commands of this room: the API, the relay and the load.

A command imports what it runs when it runs, so that `--help` is quick and no process carries what only another needs.
"""

import json
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cart_platform.faults.commands import faults

commands = typer.Typer()

RUNS = "The whole chain on this machine"
PROCESSES = "Processes of the chain"
LOOKING = "Looking at a chain"
STACK = "The stack of servers"

commands.add_typer(faults, name="faults", rich_help_panel=LOOKING)

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
NoConsole = Annotated[bool, typer.Option("--no-console", help="Serve no page.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in a browser.")]
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
        no_console: NoConsole = False,
        open_browser: Open = False,
        as_json: AsJson = False,
    ) -> None:
        from cart_platform import lifetime
        from cart_platform.data_folder import DataFolder
        from cart_platform.driving import Run
        from cart_platform.faults.switching import still_on

        run = Run(
            rate,
            duration,
            seed,
            replay,
            layout,
            columns,
            as_json=as_json,
            has_console=not no_console,
            opens_browser=open_browser,
        )
        run.check()
        start = runner()
        with DataFolder(data_dir) as folder:
            for line in still_on(folder.faults):
                typer.echo(line, err=True)
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


@commands.command(rich_help_panel=LOOKING)
def capacity(
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Of the server to ask; else the latest native run's, or http://127.0.0.1:9090."
        ),
    ] = None,
    window: Annotated[
        int, typer.Option(min=60, help="Seconds to look back; a chain that is younger seems less busy than it is.")
    ] = 300,
    arrival_rate: Annotated[
        float | None,
        typer.Option("--lambda", metavar="EVENTS_PER_SECOND", help="Suppose this load of the chain."),
    ] = None,
    slots: Annotated[
        list[str] | None, typer.Option(metavar="[HANDLER=]N", help="Suppose these slots; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell how much the handlers can take: utilisation, headroom, time to drain, slots needed, Little's law.

    With --lambda, what comes to each handler grows or shrinks in proportion to the measured λ of accepted events,
    so that a handler that reacts to few of them goes on getting its share. E[T_process] stays as measured; where a
    handler works in batches it falls as load grows, and what is told is the worse case.
    """
    import asyncio

    from cart_platform import planning_report

    asyncio.run(planning_report.report(prometheus, window, arrival_rate, slots or (), as_json=as_json))


@commands.command(rich_help_panel=PROCESSES)
def ship_logs(
    data_dir: Annotated[Path, typer.Option(help="Of the demo or native run whose logs they are.")],
    elasticsearch: Annotated[str, typer.Option(metavar="URL", help="Where they go.")] = "http://127.0.0.1:9200",
) -> None:
    """Take the log lines of a run to Elasticsearch, each once, until Ctrl-C; goes on where it was."""
    from cart_platform import lifetime, shipping

    raise typer.Exit(lifetime.run(lambda stop: shipping.ship_logs(data_dir, elasticsearch, stop)))


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
    from cart_platform.faults.shoppers import bursting_alone
    from cart_platform.settings import load_settings
    from cart_platform.shoppers import Load, Replay, parse_columns

    settings = load_settings()
    if replay is not None:
        names = parse_columns(columns) if columns else None
        load: Load | Replay = Replay(url, replay, layout, names, wait=wait, concurrency=concurrency or 64)
    else:
        seconds = math.inf if duration is None else duration
        load = Load(url, rate, seconds, profile, seed, wait=wait, concurrency=concurrency or 256)

    async def main(stop: lifetime.Stop) -> int:
        async with bursting_alone(load, settings.faults_file, settings.log_dir):
            summary = await loading.run(load, stop)
        typer.echo(json.dumps(summary.as_dict()) if as_json else loading.describe_summary(summary))
        return 1 if summary.failed else 0

    raise typer.Exit(lifetime.run(main))


@commands.command(rich_help_panel=STACK)
def setup(
    elasticsearch: Annotated[
        str, typer.Option(metavar="URL", envvar="CARTSCOPE_ELASTICSEARCH_URL", help="Of Elasticsearch.")
    ] = "http://127.0.0.1:9200",
    kibana: Annotated[
        str, typer.Option(metavar="URL", envvar="CARTSCOPE_KIBANA_URL", help="Of Kibana.")
    ] = "http://127.0.0.1:5601",
    secrets: Annotated[
        Path, typer.Option(envvar="CARTSCOPE_SECRETS_DIR", help="The folder of the stack's passwords, a file each.")
    ] = Path("/run/secrets"),
    elk: Annotated[Path, typer.Option(envvar="CARTSCOPE_ELK_DIR", help="The folder elk/ of the repository.")] = Path(
        "elk"
    ),
    patience: Annotated[float, typer.Option(min=0, help="Seconds that each server may take to answer.")] = 600.0,
) -> None:
    """Put what the stack needs into Elasticsearch and Kibana: users, templates, data streams, data view, dashboard.

    It waits for both, says each step, and may be run again at any time. Exits with 1 when something cannot be done.
    """
    import asyncio

    from cart_observability.stack_setup.failure import SetupFailed
    from cart_observability.stack_setup.run import Plan, set_up
    from cart_platform.errors import CartscopeError

    try:
        asyncio.run(set_up(Plan(elasticsearch, kibana, secrets, elk, patience), typer.echo))
    except SetupFailed as error:
        raise CartscopeError(str(error)) from error


@commands.command(rich_help_panel=STACK)
def passwords(
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where each reader's folder of password files is.")],
    give: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR=USER:GROUP", help="Also make this folder and give it to these ids."),
    ] = None,
) -> None:
    """Make the stack's passwords; those that are there already are kept. Each file can be read by one user id alone."""
    from cart_platform.stack import passwords as stack_passwords

    gifts = [stack_passwords.parse_gift(text) for text in give or ()]
    typer.echo(stack_passwords.provide(folder))
    for gift in gifts:
        stack_passwords.give(*gift)
