"""Everything through a PgBouncer that gives each transaction another session."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from devservices.pgbouncer import pgbouncer
from devservices.postgres import Postgres
from devservices.service import Service
from distribution.store import postgresql_engine
from distribution.store.engine import create_engine
from distribution.store.transactions import reading, transaction
from tests.clients import bot_at
from tests.e2e.cli import cli
from tests.e2e.load import LIMITS, TOGETHER, has_some, publish_some, reckon, under_load
from tests.e2e.programs import Programs
from tests.factories import open_source, statuses
from tests.polling import until

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

ROOT = Path(__file__).resolve().parents[2]
ADMIN = {"Authorization": "Bearer secret-of-an-admin"}
SESSION = sa.text(
    "SELECT pg_backend_pid(), current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone')"
)


@pytest.fixture(scope="module")
def bouncer(postgres_server: Postgres) -> Iterator[Service]:
    """A PgBouncer before the server of this run."""
    with pgbouncer(postgres_server.url) as found:
        yield found


@pytest.fixture
def through(bouncer: Service, database_url: str) -> str:
    """The address of the test's database through it."""
    return address(bouncer, database_url)


def address(bouncer: Service, database_url: str) -> str:
    """That of the same database there."""
    name = sa.make_url(database_url).database
    return sa.make_url(bouncer.url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
async def pooled(through: str) -> AsyncIterator[AsyncEngine]:
    """An engine on it."""
    made = create_engine(through)
    yield made
    await made.dispose()


async def test_what_a_session_is_told_each_transaction_is_told(pooled: AsyncEngine, engine: AsyncEngine) -> None:
    """Who idles in a transaction is ended by the server, also where the session was somebody else's before."""
    async with reading(pooled) as first, reading(pooled) as second:
        sessions = [(await conn.execute(SESSION)).one() for conn in (first, second)]
    assert {row[1:] for row in sessions} == {("30s", "UTC")}
    assert len({row[0] for row in sessions}) == 2
    assert postgresql_engine.is_pooled(pooled)
    async with reading(engine) as conn:
        assert (await conn.execute(SESSION)).one()[1:] == ("30s", "UTC")
    assert not postgresql_engine.is_pooled(engine)


async def test_nothing_is_left_in_a_session(pooled: AsyncEngine) -> None:
    """Statements that were prepared for one transaction would fail, or be run for, another."""
    async with transaction(pooled) as conn:
        await conn.execute(sa.text("SELECT 1 WHERE 1 = :one"), {"one": 1})
        left = await conn.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
    assert left == 0


@pytest.mark.parametrize(
    "options", [{"pool_mode": "session"}, {"ignore_startup_parameters": "idle_in_transaction_session_timeout"}]
)
async def test_it_is_found_out(postgres_server: Postgres, database_url: str, options: dict[str, str]) -> None:
    """Also where sessions are not shared, and where it passes over settings that it does not know."""
    with pgbouncer(postgres_server.url, **options) as own:
        engine = create_engine(address(own, database_url))
        async with reading(engine) as conn:
            assert (await conn.execute(SESSION)).one()[1:] == ("30s", "UTC")
        assert postgresql_engine.is_pooled(engine)
        await engine.dispose()


async def test_workers_and_the_api_through_it(
    programs: Programs, engine: AsyncEngine, through: str, rabbitmq: Broker
) -> None:
    """Two workers and an admin at work at once: every contact and event, no error, nothing that differs."""
    ids = await open_source(engine, "web", LIMITS)
    programs.settings["DATABASE_URL"] = through
    workers = [await programs.start("worker") for _ in range(2)]
    api = await programs.start("admin_api", ADMIN_API_TOKENS="admin:secret-of-an-admin")
    for process in (*workers, api):
        await process.until_ready()
    seen: list[int] = []
    async with (
        under_load(programs, rabbitmq.url) as load,
        httpx2.AsyncClient(base_url=f"{api.url}/api/v1", trust_env=False, headers=ADMIN, timeout=60) as http,
    ):
        for number in range(10):
            change = {"max_active_contacts": 400 + 20 * number, "is_active": number % 5 != 0}
            changes = [http.patch(f"/operators/{operator}", json=change) for operator in ids.values()]
            seen += [answer.status_code for answer in await asyncio.gather(*changes)]
        await load.more(100)
        listed = (await http.get("/contacts", params={"limit": 100})).json()["items"]
    assert set(seen) == {200}
    assert len({contact["id"] for contact in listed}) == 100
    assert not [line for worker in workers for line in worker.printed if "database_unavailable" in line]
    await reckon(load, engine)
    assert (await cli(programs, "check")).status == 0


async def test_it_is_restarted(
    programs: Programs, engine: AsyncEngine, bouncer: Service, through: str, rabbitmq: Broker
) -> None:
    """What was cut off in the middle is done again: nothing is lost, nothing comes twice."""
    await open_source(engine, "web", LIMITS)
    programs.settings["DATABASE_URL"] = through
    worker = await programs.start("worker")
    await worker.until_ready()
    async with under_load(programs, rabbitmq.url) as load:
        await asyncio.to_thread(bouncer.restart)
        await load.more(50)
    await reckon(load, engine)


async def test_the_sweep_through_it(programs: Programs, engine: AsyncEngine, through: str, rabbitmq: Broker) -> None:
    """Contacts that wait for places nobody told of are found and served."""
    await open_source(engine, "web", {"Olga": (1, TOGETHER // 2)})
    programs.settings["DATABASE_URL"] = through
    worker = await programs.start("worker")
    await worker.until_ready()
    async with bot_at(rabbitmq.url, programs.settings["BROKER_PREFIX"]) as bot:
        await publish_some(bot)
        await until(lambda: has_some(engine))
    async with transaction(engine) as conn:
        await conn.execute(sa.text("UPDATE operators SET max_active_contacts = 100"))
    await worker.until_printed("waiting_contacts_recovered")

    async def all_served() -> bool:
        return await statuses(engine) == {"active": TOGETHER}

    await until(all_served)


async def test_the_schema_needs_the_server_itself(through: str) -> None:
    """An upgrade through it says so in one line, before anything is locked or changed."""
    upgrade = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alembic", "upgrade", "head", cwd=ROOT, env=os.environ | {"DATABASE_URL": through},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = (await upgrade.communicate())[0].decode()
    assert upgrade.returncode == 255
    assert "leads to a pooler such as PgBouncer" in said
    assert "give this command the address of the server itself" in said
    assert len(said.splitlines()) == 1
