"""The image of Cartscope's own processes: what its Dockerfile says, as far as that can be held without building it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cart_platform.stack.passwords import CARTSCOPE_USER
from conftest import skip_or_fail
from support.compose_file import variables
from support.documents import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    instruction
    for line in re.sub(r"\\\n\s*", "", TEXT).splitlines()
    if (instruction := line.strip()) and not instruction.startswith("#")
]
FINAL = INSTRUCTIONS[max(number for number, text in enumerate(INSTRUCTIONS) if text.startswith("FROM ")) :]


def test_hadolint() -> None:
    """The linter of Dockerfiles finds nothing."""
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        skip_or_fail("hadolint")
    found = subprocess.run([linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (0, "") == (found.returncode, found.stdout)


def test_base_image() -> None:
    """Both stages start from one image, and it is the one that the stack names."""
    assert {"FROM ${PYTHON_IMAGE}"} == {re.sub(" AS .*", "", text) for text in INSTRUCTIONS if text.startswith("FROM ")}
    assert f"ARG PYTHON_IMAGE={variables('docker-compose.yml')['PYTHON_IMAGE']}" == INSTRUCTIONS[0]


def test_user() -> None:
    """The image runs as the user id to whom the passwords of Cartscope's processes are given."""
    assert [f"USER {CARTSCOPE_USER}:{CARTSCOPE_USER}"] == [text for text in FINAL if text.startswith("USER")]


def test_final_stage_builds_nothing() -> None:
    """What is shipped is copied whole: no command runs in the final stage, so nothing is installed there."""
    assert [] == [text for text in FINAL if text.startswith(("RUN", "ADD"))]


def test_packages_are_checked() -> None:
    """Packages come from the index once, each checked against the lock file's hash, and from no index that is named."""
    installs = [
        part for text in INSTRUCTIONS for part in text.split("&&") if re.search(r"pip\b.*\b(download|install)", part)
    ]
    fetching = [part for part in installs if "--no-index" not in part]
    assert 1 == len(fetching)
    assert {"--require-hashes", "--only-binary"} <= set(shlex.split(fetching[0]))
    assert not re.search(r"--(extra-)?index-url|--trusted-host|PIP_INDEX|PIP_EXTRA", TEXT)


def test_program() -> None:
    """The image's name is the command, without a shell between."""
    assert ['ENTRYPOINT ["cartscope"]', 'CMD ["--help"]'] == FINAL[-2:]


@pytest.mark.parametrize("name", re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE))
def test_context(name: str) -> None:
    """What is copied is in the repository, and let through by .dockerignore."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in name.split():
        assert (ROOT / source).exists()
        assert source in kept


def test_context_is_small() -> None:
    """Nothing is sent to a build but what is asked for."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert "*" == lines[0]
