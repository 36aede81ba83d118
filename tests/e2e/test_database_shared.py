"""Several workers and the API on one PostgreSQL: they get into each other's way and nobody notices."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS
from tests.e2e.load import LIMITS, long_or, reckon, under_load
from tests.e2e.programs import Process, Programs
from tests.factories import open_source

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

WORKERS = 3
ADMIN = {"Authorization": "Bearer secret-of-an-admin"}
# What a deadlock or a serialization failure looks like from outside, often enough to be met.
RACES = (
    "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF random() < 0.05 THEN"
    " RAISE EXCEPTION 'lost' USING ERRCODE = CASE WHEN random() < 0.5 THEN '40001' ELSE '40P01' END;"
    " END IF; RETURN NULL; END $$"
)
TRIGGER = "CREATE TRIGGER lose AFTER INSERT ON contacts EXECUTE FUNCTION lose()"

IDLE = (
    "FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    " AND now() - state_change > interval '150 ms' AND backend_xid IS NOT NULL"
)


async def start_workers(programs: Programs) -> list[Process]:
    """Some workers, ready; with small batches, so that many transactions run at once."""
    workers = [await programs.start("worker", WORKER_BATCH_SIZE="5") for _ in range(WORKERS)]
    for worker in workers:
        await worker.until_ready()
    return workers


def logged(workers: list[Process], event: str) -> list[dict[str, Any]]:
    """The lines of one event in the workers' logs."""
    lines = [json.loads(line) for worker in workers for line in worker.printed]
    return [line for line in lines if line["event"] == event]


async def test_several_workers_and_the_api(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """Three workers, and an admin who changes their operators all the while: no error, hardly a repetition."""
    ids = await open_source(engine, "web", LIMITS)
    workers = await start_workers(programs)
    api = await programs.start("admin_api", ADMIN_API_TOKENS="admin:secret-of-an-admin")
    await api.until_ready()
    statuses: list[int] = []
    async with (
        under_load(programs, rabbitmq.url) as load,
        httpx2.AsyncClient(base_url=f"{api.url}/api/v1", trust_env=False, headers=ADMIN, timeout=60) as http,
    ):

        async def administer(operator: int) -> None:
            for number in range(10):
                change = {"max_active_contacts": 400 + 20 * number, "is_active": number % 5 != 0}
                statuses.append((await http.patch(f"/operators/{operator}", json=change)).status_code)

        await asyncio.gather(*map(administer, ids.values()))
        await load.more(100)
    assert set(statuses) == {200}
    assert not logged(workers, "database_unavailable")
    assert len(logged(workers, "transaction_retried")) < len(load.confirmed) / 20
    await reckon(load, engine)


async def test_lost_races_are_repeated(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """Where one contact in twenty loses a race, the batch is repeated; nothing is parked or counts as an outage."""
    await open_source(engine, "web", LIMITS)
    async with transaction(engine) as conn:
        for statement in (RACES, TRIGGER):
            await conn.execute(sa.text(statement))
    workers = await start_workers(programs)
    async with under_load(programs, rabbitmq.url) as load:
        await load.more(300)
    assert logged(workers, "transaction_retried")
    assert not logged(workers, "database_unavailable")
    await reckon(load, engine)


async def test_frozen_worker_gives_its_locks_back(programs: Programs, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """A worker that is frozen in mid-transaction keeps the others waiting until the server ends its transaction."""
    await open_source(engine, "web", LIMITS)
    async with reading(engine) as conn:
        assert (await conn.execute(sa.text("SHOW idle_in_transaction_session_timeout"))).scalar_one() == "30s"
    first, second = [await programs.start("worker", WORKER_BATCH_SIZE="5") for _ in range(2)]
    await first.until_ready()
    await second.until_ready()
    async with under_load(programs, rabbitmq.url) as load:
        async with frozen_in_transaction(first, engine):
            if not long_or(0):
                await end_idle(engine)  # at once what the server does after 30 s
            await load.more(50)
        await load.more(50)
    assert not logged([first], "component_failed")
    await reckon(load, engine)


@asynccontextmanager
async def frozen_in_transaction(worker: Process, engine: AsyncEngine) -> AsyncIterator[None]:
    """Freeze a worker at a moment when it holds locks."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            worker.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.2)  # IDLE counts what has been idle for a while
            if await idle_in_transaction(engine):
                break
            worker.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.01)  # some work, so that the next moment is another one
    try:
        yield
    finally:
        worker.process.send_signal(signal.SIGCONT)


async def idle_in_transaction(engine: AsyncEngine) -> bool:
    """Whether a transaction that wrote something has been idle for a while."""
    async with reading(engine) as conn:
        return bool((await conn.execute(sa.text(f"SELECT pid {IDLE}"))).all())


async def end_idle(engine: AsyncEngine) -> None:
    """End such transactions."""
    async with reading(engine) as conn:
        await conn.execute(sa.text(f"SELECT pg_terminate_backend(pid) {IDLE}"))
