"""Programs of one release on the schema of the next: they start, work and stay ready, or say in one line why not."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from alembic import command
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.app_process import app_environment
from devservices.broker import Broker
from distribution.admin.consistency import check
from distribution.store import schema
from distribution.store.transactions import snapshot
from tests.e2e.load import LIMITS, reckon, under_load
from tests.e2e.programs import Process, Programs
from tests.factories import open_source
from tests.programs.forked import start
from tests.releases import LATER, REVISION_BEFORE, ROOT, code_before, upgrade_to_later

KNOWN = str(schema.known_revision())


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the code of the release before is."""
    return str(code_before(tmp_path_factory.mktemp("release")))


async def start_both(programs: Programs, **settings: str) -> list[Process]:
    """A worker and an API, ready."""
    both = [await programs.start(name, **settings) for name in ("worker", "admin_api")]
    for process in both:
        await process.until_ready()
    return both


async def alembic(programs: Programs, code: str | Path, *arguments: str) -> tuple[int, str]:
    """`alembic` with the revisions of a release: its exit status and what it said on standard error."""
    own = {} if code == ROOT else {"PYTHONPATH": str(code)}
    child = await start("alembic", arguments, cwd=Path(code), env=app_environment(programs.settings | own))
    out, err = await child.communicate()
    return child.returncode or 0, (out + err).decode()


async def not_ready(process: Process) -> str:
    """Wait until it says that it is not ready, since what was found is kept for a moment; returns what it says."""
    async with httpx2.AsyncClient(trust_env=False, base_url=process.url) as http:

        async def says_so() -> bool:
            return (await http.get("/readyz")).status_code == 503

        await process.until(says_so)
        return (await http.get("/readyz")).text


async def all_ready(processes: list[Process]) -> bool:
    """Whether each says so by itself."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        return all([(await http.get(f"{process.url}/readyz")).is_success for process in processes])


async def test_the_release_before_runs_on_the_newest_schema(
    programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker, before: str
) -> None:
    """It goes on while the schema is upgraded, stays ready, starts again there, and works beside the new one."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), REVISION_BEFORE)
    await open_source(engine, "web", LIMITS)
    old = await start_both(programs, PYTHONPATH=before)
    async with under_load(programs, rabbitmq.url) as load:
        assert (await alembic(programs, ROOT, "upgrade", "head"))[0] == 0
        await load.more(30)
        assert await all_ready(old)
        new = await start_both(programs)
        await load.more(30)
        for process in old:
            assert await process.stop() == 0
        assert (await alembic(programs, before, "upgrade", "head"))[0] == 0
        old = await start_both(programs, PYTHONPATH=before)
        for process in new:
            assert await process.stop() == 0
        await load.more(30)
        assert await all_ready(old)
    await reckon(load, engine)
    await schema.check(engine)
    async with snapshot(engine) as conn:
        assert (await check(conn)).findings == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_todays_programs_run_on_a_later_schema_that_says_so(
    programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker, tmp_path: Path
) -> None:
    """They go on through its upgrade and stay ready; started again they leave it as it is, as does their Alembic."""
    await open_source(engine, "web", LIMITS)
    running = await start_both(programs)
    async with under_load(programs, rabbitmq.url) as load:
        await asyncio.to_thread(upgrade_to_later, database_url, tmp_path / "later", KNOWN)
        await load.more(30)
        assert await all_ready(running)
        status, said = await alembic(programs, ROOT, "upgrade", "head")
        assert (status, f"the schema {LATER} is newer than this program, which runs on it" in said) == (0, True)
        for process in running:
            assert await process.stop() == 0
        running = await start_both(programs)
        await load.more(30)
    await reckon(load, engine)
    status, said = await alembic(programs, ROOT, "downgrade", "-1")
    assert (status != 0, f"FAILED: The schema {LATER} is a newer release's" in said) == (True, True), said


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_schema_that_is_too_new_says_so(programs: Programs, database_url: str, tmp_path: Path) -> None:
    """Running programs are not ready any more, others do not start, Alembic stops: one line each, with what to do."""
    _, api = await start_both(programs)
    await asyncio.to_thread(upgrade_to_later, database_url, tmp_path / "later", LATER)
    what_to_do = f"alembic downgrade {KNOWN}"
    answer = await not_ready(api)
    assert f"has the schema {LATER}" in answer
    assert what_to_do in answer
    for name in ("worker", "admin_api"):
        started = await programs.start(name)
        assert await started.ended() == 2
        (line,) = started.printed
        assert line.endswith(what_to_do)
    status, said = await alembic(programs, ROOT, "upgrade", "head")
    assert (status != 0, said.strip().endswith(what_to_do), "Traceback" in said) == (True, True, False), said
