"""PostgreSQL is stopped, killed, frozen or throws us out, while a bot goes on publishing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from devservices.postgres import Postgres
from distribution.store import schema
from distribution.store.engine import create_engine, dispose
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS, bot_at
from tests.e2e.load import (
    LIMITS,
    has_some,
    often_or,
    publish_some,
    reckon,
    stay_broken,
    under_load,
    watched,
)
from tests.e2e.programs import Programs
from tests.factories import open_source
from tests.polling import until

STATEMENT_SECONDS = 1
STOP_SECONDS = 30


@pytest.fixture(scope="module")
def server(own_postgres: Postgres) -> Postgres:
    """A PostgreSQL that is ours to break."""
    return own_postgres


@pytest.fixture
def database_url(server: Postgres) -> Iterator[str]:
    """A database of its own there; statements give up early, since the test has less patience than a person."""
    url = server.create_database()
    schema.upgrade(url)
    yield f"{url}?command_timeout={STATEMENT_SECONDS}"
    server.drop_database(url)


@pytest.fixture
async def source(engine: AsyncEngine) -> AsyncIterator[None]:
    """The source that the bot names."""
    await open_source(engine, "web", LIMITS)
    yield
    await dispose(engine)


@pytest.mark.usefixtures("source")
async def test_server_ends_and_comes_back(
    programs: Programs, engine: AsyncEngine, server: Postgres, rabbitmq: Broker
) -> None:
    """Stopped or killed for a while: the worker says so and goes on by itself; nothing is lost or parked."""
    worker = await programs.start("worker")
    await worker.until_ready()
    async with under_load(programs, rabbitmq.url) as load:
        for end in (server.stop, server.kill):
            async with watched(worker) as readiness:
                await asyncio.to_thread(end)
                try:
                    await readiness.until_said("database", "")
                    await stay_broken()
                finally:
                    await asyncio.to_thread(server.start)
                await readiness.until_ready()
                await load.more(50)
                assert readiness.slowest < 1
    await reckon(load, engine)


@pytest.mark.usefixtures("source")
async def test_server_hangs(programs: Programs, engine: AsyncEngine, server: Postgres, rabbitmq: Broker) -> None:
    """A server that accepts and never answers is named in readiness, though nothing ever failed."""
    worker = await programs.start("worker")
    await worker.until_ready()
    async with under_load(programs, rabbitmq.url) as load, watched(worker) as readiness:
        server.freeze()
        try:
            await readiness.until_said("database", "no answer in time")
            await stay_broken()
        finally:
            server.thaw()
        await readiness.until_ready()
        await load.more(50)
    await reckon(load, engine)


@pytest.mark.usefixtures("source")
async def test_sigterm_while_server_hangs(
    programs: Programs, engine: AsyncEngine, server: Postgres, rabbitmq: Broker
) -> None:
    """A hanging database does not keep the worker from ending in time, with the default patience."""
    programs.settings["DATABASE_URL"] = programs.settings["DATABASE_URL"].split("?", maxsplit=1)[0]
    worker = await programs.start("worker")
    await worker.until_ready()
    async with bot_at(rabbitmq.url, programs.settings["BROKER_PREFIX"]) as bot:
        server.freeze()
        try:
            await publish_some(bot)
            begun = time.monotonic()
            assert await worker.stop() == 0
            assert time.monotonic() - begun < STOP_SECONDS
        finally:
            server.thaw()
    await programs.start("worker")
    await until(lambda: has_some(engine), PATIENCE_SECONDS)


async def test_api_while_server_hangs(programs: Programs, server: Postgres) -> None:
    """The API answers 503 with a problem, for reads and changes alike, instead of hanging with the database."""
    api = await programs.start("admin_api", ADMIN_API_TOKENS="admin:secret-of-an-admin")
    await api.until_ready()
    bearer = {"Authorization": "Bearer secret-of-an-admin"}
    async with httpx2.AsyncClient(base_url=api.url, trust_env=False, headers=bearer, timeout=60) as http:
        server.freeze()
        try:
            made = http.post("/api/v1/operators", json={"name": "Olga"})
            answers = [*await asyncio.gather(made, http.get("/api/v1/operators")), await http.get("/readyz")]
        finally:
            server.thaw()
        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert answers[0].headers["content-type"] == "application/problem+json"
        await api.until_ready()
        assert (await http.get("/api/v1/operators")).status_code == 200


@pytest.mark.usefixtures("source")
async def test_backends_are_terminated(
    programs: Programs, engine: AsyncEngine, database_url: str, server: Postgres, rabbitmq: Broker
) -> None:
    """Two workers lose their connections again and again, in the midst of commits too; nothing is lost or parked."""
    await slow_commits(engine)
    workers = [await programs.start("worker") for _ in range(2)]
    for worker in workers:
        await worker.until_ready()
    in_commit = 0
    admin = create_engine(server.url)
    async with under_load(programs, rabbitmq.url) as load:
        for _ in range(often_or(2)):
            await load.more(1)
            in_commit += await terminate(admin, sa.make_url(database_url).database, committing=True)
            await terminate(admin, sa.make_url(database_url).database, committing=False)
        for worker in workers:
            await worker.until_ready()
    await dispose(admin)
    assert in_commit > 0
    await reckon(load, engine)


async def slow_commits(engine: AsyncEngine) -> None:
    """Make every commit of a contact take a while, so that it can be met."""
    async with transaction(engine) as conn:
        await conn.execute(
            sa.text(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END $$"
            )
        )
        await conn.execute(
            sa.text(
                "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON contacts DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION dawdle()"
            )
        )


async def terminate(admin: AsyncEngine, database: str | None, *, committing: bool) -> int:
    """End every connection to a database; or those that are committing at this moment, once there is one."""
    statement = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = :database AND backend_type = 'client backend'"
        " AND (NOT :committing OR state = 'active' AND query ILIKE 'COMMIT%')"
    )
    async with asyncio.timeout(STOP_SECONDS):
        while True:
            async with reading(admin) as conn:
                ended = (await conn.execute(statement, {"database": database, "committing": committing})).scalar_one()
            if ended or not committing:
                return int(ended)
            await asyncio.sleep(0.005)  # a commit takes a few milliseconds: `until` would miss it
