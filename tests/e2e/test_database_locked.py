"""SQLite's one write lock is held by somebody else for longer than anybody waits for it."""

import asyncio

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from tests.clients import PATIENCE_SECONDS, bot_at
from tests.e2e.load import LIMITS, has_some, publish_some, reckon, stay_broken, under_load, watched
from tests.e2e.locks import locked
from tests.e2e.programs import Programs
from tests.factories import open_source
from tests.polling import until

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BUSY_SECONDS = 1
ADMIN = {"Authorization": "Bearer secret-of-an-admin"}


async def test_file_is_locked(programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker) -> None:
    """The worker says that it is locked out, answers its health page all the while, and goes on; nothing is parked."""
    await open_source(engine, "web", LIMITS)
    worker = await programs.start("worker", DATABASE_URL=f"{database_url}?timeout={BUSY_SECONDS}")
    await worker.until_ready()
    async with under_load(programs, rabbitmq.url) as load, watched(worker) as readiness:
        async with locked(database_url):
            await readiness.until_said("database", "locked")
            await stay_broken()
        await readiness.until_ready()
        await load.more(50)
    await reckon(load, engine)
    assert readiness.slowest < 1


async def test_sigterm_while_file_is_locked(
    programs: Programs, engine: AsyncEngine, database_url: str, rabbitmq: Broker
) -> None:
    """A worker that waits for the lock ends in order, and what it held is done by the next."""
    await open_source(engine, "web", LIMITS)
    worker = await programs.start("worker", DATABASE_URL=f"{database_url}?timeout={BUSY_SECONDS}")
    await worker.until_ready()
    async with bot_at(rabbitmq.url, programs.settings["BROKER_PREFIX"]) as bot, locked(database_url):
        await publish_some(bot)
        assert await worker.stop() == 0
    await programs.start("worker")
    await until(lambda: has_some(engine), PATIENCE_SECONDS)


async def test_api_while_file_is_locked(programs: Programs, database_url: str) -> None:
    """The API still reads; a change is answered with 503 and when to try again, as a problem."""
    tokens = {"ADMIN_API_TOKENS": "admin:secret-of-an-admin"}
    api = await programs.start("admin_api", DATABASE_URL=f"{database_url}?timeout={BUSY_SECONDS}", **tokens)
    await api.until_ready()
    operator = {"name": "Olga"}
    async with httpx2.AsyncClient(base_url=api.url, trust_env=False, headers=ADMIN, timeout=60) as http:
        async with locked(database_url):
            refused = await http.post("/api/v1/operators", json=operator)
            assert (await http.get("/api/v1/operators")).status_code == 200
        assert (await http.post("/api/v1/operators", json=operator)).status_code == 201
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0


async def test_worker_and_api_write_side_by_side(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """On one file, under load from both sides, nobody is ever told that the database is locked."""
    await open_source(engine, "web", LIMITS)
    worker = await programs.start("worker")
    api = await programs.start("admin_api", ADMIN_API_TOKENS="admin:secret-of-an-admin")
    await worker.until_ready()
    await api.until_ready()
    statuses: list[int] = []

    async def administer(http: httpx2.AsyncClient, name: str) -> None:
        while len(statuses) < 150:
            made = await http.post("/api/v1/operators", json={"name": name})
            one = f"/api/v1/operators/{made.json()['id']}"
            changed = await http.patch(one, json={"max_active_contacts": 3})
            gone = await http.delete(one)
            statuses.extend(answer.status_code for answer in (made, changed, gone))

    async with (
        under_load(programs, rabbitmq.url) as load,
        httpx2.AsyncClient(base_url=api.url, trust_env=False, headers=ADMIN, timeout=60) as http,
    ):
        await asyncio.gather(*[administer(http, f"O{number}") for number in range(4)])
        await load.more(50)
    assert set(statuses) <= {200, 201, 204}
    assert not any("locked" in line for line in [*worker.printed, *api.printed])
    await reckon(load, engine)
