"""The API keeps what its OpenAPI document says: schemathesis, all checks, against the real server and SQL store."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cart_observability.http_server import HttpServer
from cart_observability.telemetry import silent
from cart_platform.api.app import create_app
from cart_platform.api.waiters import Waiters
from cart_platform.store.sql import SqlStore
from support.api import MemoryBus

SEED = "20261123"
EXAMPLES = "20"


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """The API on an SQL store, without handlers: a wait for their results is over at once."""
    telemetry, bus = silent(), MemoryBus()
    store = SqlStore(f"sqlite:///{folder}/store.db")
    await store.start()
    waiters = Waiters(bus, telemetry)  # type: ignore[arg-type]  # as much of a bus as the API uses
    app = create_app(store=store, bus=bus, handlers=(), telemetry=telemetry, waiters=waiters)  # type: ignore[arg-type]
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()
        await store.close()


async def test_openapi_is_kept(tmp_path: Path) -> None:
    """No request that schemathesis makes up, valid or not, is answered otherwise than documented."""
    program = shutil.which("schemathesis", path=Path(sys.executable).parent)
    assert program is not None
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "SCHEMATHESIS_HOOKS": "support.schemathesis_hooks",
    }
    async with serving(tmp_path) as url:
        run = await asyncio.create_subprocess_exec(
            program,
            "run",
            f"{url}/openapi.json",
            *("--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color"),
            cwd=tmp_path,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()
