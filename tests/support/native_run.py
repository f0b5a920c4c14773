"""Runs `Native` with stand-ins for Cartscope's processes until a signal: `python native_run.py FOLDER`.

Prints `started` when it is up and the counts of restarts when it has ended.
"""

import json
import sys
from pathlib import Path

from cart_platform import lifetime
from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError
from cart_platform.lifetime import Stop
from cart_platform.native import Native

WORKERS = ("threshold", "popularity")
STAND_IN = Path(__file__).with_name("stand_in.py")


def say(line: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{line}\n")


async def run(stop: Stop) -> int:
    """A run from start to end."""
    with DataFolder(Path(sys.argv[1])) as folder:
        farewells = {"STAND_IN_FAREWELLS": str(folder.path / "farewells")}
        native = Native(folder, WORKERS, farewells, say, cartscope=(sys.executable, str(STAND_IN)))
        async with native:
            sys.stdout.write("started\n")
            sys.stdout.flush()
            await stop.wait()
        sys.stdout.write(json.dumps(dict(native.restarts)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(lifetime.run(run))
    except CartscopeError as error:
        sys.exit(f"cartscope: {error}")
