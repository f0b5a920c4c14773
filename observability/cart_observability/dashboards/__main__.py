"""Write the dashboards to a folder, or with --check say which of its files are not what the code gives.

python -m cart_observability.dashboards [--check] grafana/dashboards
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from cart_observability.dashboards.catalogue import DASHBOARDS


def rendered() -> Mapping[str, str]:
    """The text of each file, by its name."""
    built = (build() for build in DASHBOARDS)
    return {
        f"{each.uid}.json": json.dumps(each, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n" for each in built
    }


def stale(folder: Path) -> list[str]:
    """Names of files that are missing, other than the code gives, or not made by it."""
    wanted = rendered()
    found = {file.name: file.read_text() for file in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    """Make the folder's dashboards what the code gives; removes those that it does not give."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = rendered()
    for file in folder.glob("*.json"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


def main() -> None:
    """The command line."""
    parser = ArgumentParser(prog="python -m cart_observability.dashboards", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is not up to date")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.folder)
    elif names := stale(arguments.folder):
        sys.exit(f"{arguments.folder} is not what the code says ({', '.join(names)}): run make dashboards")


if __name__ == "__main__":
    main()
