"""The database takes no more: no room, no right to write."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.transactions import transaction
from tests.e2e.load import LIMITS, reckon, stay_broken, under_load, watched
from tests.e2e.programs import Process, Programs
from tests.factories import open_source

TABLES = ("contacts",)
# What the server says to the worker is what it says on a full disk; a disk of its own would need the rights of root.
REFUSAL = (
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
    " 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
)
FULL = (
    REFUSAL,
    *[f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()" for table in TABLES],
)
ROOM = ("DROP FUNCTION full_disk CASCADE",)
# Known to new connections alone, so the old ones have to go.
ANEW = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
HERE = (
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {}', current_database()); END $$"
)
FAULTS = {
    "full": (FULL, ROOM, "No space left on device"),
    "read_only": ((HERE.format("on"), ANEW), (HERE.format("off"), ANEW), "read-only transaction"),
}


@pytest.fixture
async def worker(programs: Programs, engine: AsyncEngine) -> Process:
    """A worker that is ready, and the source that the bot names."""
    await open_source(engine, "web", LIMITS)
    started = await programs.start("worker")
    await started.until_ready()
    return started


@contextmanager
def no_room(process: Process) -> Iterator[None]:
    """Every write of the process to a file fails, as on a full disk."""
    child = psutil.Process(process.process.pid)
    before, hard = child.rlimit(resource.RLIMIT_FSIZE)
    child.rlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        child.rlimit(resource.RLIMIT_FSIZE, (before, hard))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_room_for_the_file(programs: Programs, engine: AsyncEngine, worker: Process, rabbitmq: Broker) -> None:
    """A SQLite file that cannot be written stops the work, parks nothing, and the work goes on once it can."""
    async with under_load(programs, rabbitmq.url) as load, watched(worker) as readiness:
        with no_room(worker):
            await readiness.until_said("database", "disk")
            await stay_broken()
        await readiness.until_ready()
        await load.more(50)
    await reckon(load, engine)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("fault", ["full", "read_only"])
async def test_server_takes_no_writes(
    programs: Programs, engine: AsyncEngine, worker: Process, rabbitmq: Broker, fault: str
) -> None:
    """A PostgreSQL that is full, or read-only after a failover, stops the work and parks nothing; then it goes on."""
    begin, end, words = FAULTS[fault]
    async with under_load(programs, rabbitmq.url) as load, watched(worker) as readiness:
        await execute(engine, begin)
        await readiness.until_said("database", words)
        await stay_broken()
        await execute(engine, end)
        await readiness.until_ready()
        await load.more(50)
    await reckon(load, engine)


async def execute(engine: AsyncEngine, statements: Sequence[str]) -> None:
    """Do as the owner of the database would, who may always write."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text("SET TRANSACTION READ WRITE"))
        for statement in statements:
            await conn.execute(sa.text(statement))
