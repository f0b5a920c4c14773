"""The commands `cartscope dead-letters ...`."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from cart_handlers.dead_letters import DeadLetters, as_json, as_line, as_text
from cart_platform.errors import UsageError
from cart_platform.looking import looking

dead_letters = typer.Typer(help="Inspect, replay or delete events that were given up.")

Names = Annotated[list[str] | None, typer.Option("--handler", help="Only of this handler; may be given again.")]
DataDir = Annotated[Path | None, typer.Option(help="Of the demo or native run to look at; else the latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters, or of their events.")]
Every = Annotated[bool, typer.Option("--all", help="All of them.")]


@dead_letters.command("list")
def list_all(handler: Names = None, data_dir: DataDir = None, as_json_: AsJson = False) -> None:
    """List the dead letters, oldest first for each handler, with their reasons."""

    async def show(letters: DeadLetters) -> None:
        found = await letters.all()
        if as_json_:
            typer.echo(json.dumps([as_json(letter) for letter in found]))
        else:
            typer.echo("\n".join(map(as_line, found)) or "no dead letters")

    _with_dead_letters(data_dir, handler, show)


@dead_letters.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Of a dead letter, or of its event.")],
    handler: Names = None,
    data_dir: DataDir = None,
    as_json_: AsJson = False,
) -> None:
    """Show one dead letter whole: the history of its attempts, its headers and its bytes."""

    async def show_one(letters: DeadLetters) -> None:
        found = await letters.find(letter)
        typer.echo(json.dumps(as_json(found)) if as_json_ else as_text(found))

    _with_dead_letters(data_dir, handler, show_one)


@dead_letters.command()
def replay(
    ids: Ids = None, every: Every = False, handler: Names = None, data_dir: DataDir = None, as_json_: AsJson = False
) -> None:
    """Deliver dead letters to their handlers again, as a first attempt."""
    chosen = _chosen(ids, every=every)

    async def replay_chosen(letters: DeadLetters) -> None:
        _tell("replayed", await letters.replay(chosen), as_json_=as_json_)

    _with_dead_letters(data_dir, handler, replay_chosen)


@dead_letters.command()
def purge(
    ids: Ids = None, every: Every = False, handler: Names = None, data_dir: DataDir = None, as_json_: AsJson = False
) -> None:
    """Delete dead letters; their events' effects stay missing, and the audit goes on to say so."""
    chosen = _chosen(ids, every=every)

    async def purge_chosen(letters: DeadLetters) -> None:
        _tell("purged", await letters.purge(chosen), as_json_=as_json_)

    _with_dead_letters(data_dir, handler, purge_chosen)


def _chosen(ids: list[str] | None, *, every: bool) -> list[str] | None:
    if every == bool(ids):
        raise UsageError("name the ids of dead letters, or --all")
    return ids or None


def _tell(what: str, count: int, *, as_json_: bool) -> None:
    typer.echo(json.dumps({what: count}) if as_json_ else f"{count} {what}")


def _with_dead_letters(
    data_dir: Path | None, names: list[str] | None, act: Callable[[DeadLetters], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with looking(data_dir) as parts:
            await act(DeadLetters.of(parts.bus, parts.handlers, names or []))

    import asyncio

    asyncio.run(main())
