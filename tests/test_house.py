"""The rules of the house that a test can hold."""

import ast
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "cart_observability": ROOT / "observability/cart_observability",
    "cart_platform": ROOT / "platform/cart_platform",
    "cart_handlers": ROOT / "handlers/cart_handlers",
}
FORBIDDEN = {
    "cart_observability": {"cart_platform", "cart_handlers"},
    "cart_platform": {"cart_handlers"},
    "cart_handlers": set[str](),
}
DRIVERS = {"aiohttp", "aiosmtplib", "asyncio", "fastapi", "granian", "pika", "prometheus_client", "redis", "sqlalchemy"}
LONGEST_FILE = 300


def modules(package: str) -> list[Path]:
    """The modules of a package."""
    return sorted(PACKAGES[package].rglob("*.py"))


def imported(module: Path) -> set[str]:
    """The top-level names that a module imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_dependencies_point_one_way(package: str) -> None:
    """Handlers import the platform, the platform imports observability, and never the other way round."""
    offenders = {module.name for module in modules(package) if imported(module) & FORBIDDEN[package]}
    assert set() == offenders


@pytest.mark.parametrize("module", ["cart.py", "events.py", "store/decisions.py"])
def test_the_domain_imports_no_driver(module: str) -> None:
    """What decides and what describes does no I/O."""
    assert set() == imported(PACKAGES["cart_platform"] / module) & DRIVERS


def test_the_folder_called_platform_shadows_nothing() -> None:
    """`import platform` gives the standard library's module, and the folder holds nothing but the package."""
    assert ROOT not in Path(platform.__file__).parents
    assert [] == list((ROOT / "platform").glob("*.py"))


def test_nothing_connects_at_import() -> None:
    """Every module can be imported where no socket can be opened and no thread started."""
    names = [
        ".".join(module.relative_to(root.parent).with_suffix("").parts)
        for package, root in PACKAGES.items()
        for module in modules(package)
        if module.name != "__main__.py"
    ]
    program = (
        "import sys, importlib\n"
        "def refuse(event, args):\n"
        "    if event in ('socket.connect', 'socket.bind', '_thread.start_new_thread', 'subprocess.Popen'):\n"
        "        raise SystemExit(f'{event} at import')\n"
        "sys.addaudithook(refuse)\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (0, "") == (finished.returncode, finished.stderr)


@pytest.mark.parametrize("package", PACKAGES)
def test_files_stay_small(package: str) -> None:
    """No module is longer than a reader wants to hold in mind."""
    long = {module.name for module in modules(package) if len(module.read_text().splitlines()) > LONGEST_FILE}
    assert set() == long


def every_test() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every test function."""
    for module in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield module, node


def test_every_test_says_what_it_promises() -> None:
    """A test's docstring is a sentence of behaviour."""
    silent = [
        f"{module.name}::{test.name}" for module, test in every_test() if not (ast.get_docstring(test) or "").strip()
    ]
    assert [] == silent


def test_no_test_sleeps() -> None:
    """Tests wait for what they are about, never for time to pass."""
    sleepers = [
        f"{module.name}::{test.name}"
        for module, test in every_test()
        for node in ast.walk(test)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
    ]
    assert [] == sleepers
