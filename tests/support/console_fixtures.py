"""A console that is told nothing yet, for each test that takes one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.console_running import Asker, watching


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Asker]:
    """A console that is told nothing yet."""
    async with watching(tmp_path) as asker:
        yield asker
