"""Takes the log lines of a run on this machine to Elasticsearch, where no Logstash does."""

from pathlib import Path

import typer

from cart_observability.elastic import template
from cart_observability.elastic.shipper import ship
from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError, UsageError
from cart_platform.lifetime import Stop
from cart_platform.native import checkout

POSITIONS = "shipped.json"


async def ship_logs(data_dir: Path, url: str, stop: Stop) -> int:
    """Ship until stopped, and then what is left; gives the exit code.

    Args:
        data_dir: Of a demo or native run.
        url: Of Elasticsearch.
        stop: Ends it.

    Raises:
        UsageError: when no chain ever ran in the folder.
        CartscopeError: when the stack's templates are not there, or a file cannot be used.
    """
    folder = DataFolder(data_dir)
    if not folder.logs.is_dir():
        raise UsageError(f"no chain has run in {data_dir}: name the --data-dir of a demo or native run")
    if not checkout.TEMPLATES.exists():
        raise CartscopeError("cannot ship logs: the templates (elk/elasticsearch) are part of a checkout")
    templates = template.load(checkout.TEMPLATES)
    try:
        counts = await ship(url, folder.logs, folder.output, folder.path / POSITIONS, templates, _report, stop)
    except OSError as error:
        raise CartscopeError(f"cannot ship logs: {error.filename or folder.path} ({error.strerror})") from error
    _report(", ".join(f"{count} lines {outcome}" for outcome, count in sorted(counts.items())) or "no lines")
    return 0


def _report(line: str) -> None:
    typer.echo(line, err=True)
