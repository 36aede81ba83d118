"""A worker spells the leads of the release before anew, beside its other work."""

import asyncio
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
import structlog.testing

from distribution.store.database import Database
from distribution.store.engine import create_engine, dispose
from distribution.store.tables import leads
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until
from worker.lead_renormalizer import LeadRenormalizer


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing here depends on which database there is
async def test_a_worker_spells_what_it_finds(world: WorkerHarness) -> None:
    """Started on leads without a rule it leaves them with today's spelling."""
    async with transaction(world.engine) as conn:
        insert = "INSERT INTO leads (external_id, phone, created_at) VALUES ('a', '+5215512345678', CURRENT_TIMESTAMP)"
        await conn.execute(sa.text(insert))

    async def is_spelled() -> bool:
        async with reading(world.engine) as conn:
            return await conn.scalar(sa.select(leads.c.phone_normalized)) == "+525512345678"

    async with world.worker():
        await until(is_spelled, PATIENCE_SECONDS)


async def test_a_database_that_fails_ends_nothing(tmp_path: Path) -> None:
    """It is said, and waited for until the worker stops."""
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    stopping = asyncio.Event()
    spelling = LeadRenormalizer(Database(engine, Random(1)), "", stopping)

    async def is_said() -> bool:
        return any(entry["event"] == "lead_renormalization_failed" for entry in said)

    with structlog.testing.capture_logs() as said:
        running = asyncio.create_task(spelling.run())
        await until(is_said, PATIENCE_SECONDS)
        stopping.set()
        await running
    await dispose(engine)
