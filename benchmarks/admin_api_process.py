"""The admin API beside a contestant."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from benchmarks.environment import KEPT, BenchmarkRun
from benchmarks.polling import PATIENCE_SECONDS

TOKEN = "bench-bench-bench"  # noqa: S105 - of an API that lives as long as the run
LISTS = (
    "/contacts?limit=50",
    "/contacts?status=active&limit=50",
    "/contacts?operator_id=1&limit=50",
    "/leads?limit=50",
    "/leads?phone=%2B49304711",
    "/operators?limit=50",
    "/stats",
)


@asynccontextmanager
async def running_admin_api(ground: BenchmarkRun) -> AsyncIterator[httpx2.AsyncClient]:
    """An API process on the ground's database, and a client of it; ended afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    own = {"DATABASE_URL": ground.database_url, "ADMIN_API_PORT": str(port), "ADMIN_API_TOKENS": f"admin:{TOKEN}"}
    with (ground.arena.folder / "admin_api.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "admin_api", env=KEPT | own, stdout=log, stderr=log
        )
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        ) as http:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await _is_up(http, port):  # noqa: ASYNC110 - a process that starts sets no event
                    await asyncio.sleep(0.05)
            yield http
    finally:
        process.terminate()
        await process.wait()


async def _is_up(http: httpx2.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).is_success
    except httpx2.HTTPError:
        return False
