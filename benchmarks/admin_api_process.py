"""The admin API beside a candidate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from benchmarks.environment import BenchmarkRun
from devservices.app_process import running_app

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
async def running_admin_api(run: BenchmarkRun) -> AsyncIterator[httpx2.AsyncClient]:
    """An API process on the run's database, and a client of it; the process ends with the block."""
    own = {"DATABASE_URL": run.database_url, "ADMIN_API_TOKENS": f"admin:{TOKEN}"}
    async with (
        running_app("admin_api", own, run.environment.folder / "admin_api.log") as api,
        httpx2.AsyncClient(
            base_url=f"{api.url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            trust_env=False,
        ) as http,
    ):
        yield http
