"""What the database does not do for the relay ends neither it nor the worker."""

from datetime import timedelta
from random import Random
from typing import NoReturn

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.ext.asyncio import create_async_engine

from distribution.store.database import Database
from distribution.store.outbox import Kind
from worker.failpoints import no_failpoints
from worker.publish.lane_state_machine import ClaimRequest
from worker.publish.leased_rows import LeasedRows
from worker.publish.outbox_housekeeping import OutboxHousekeeping
from worker.readiness import Readiness


async def closed() -> NoReturn:
    """A connection that is lost while it is made: the driver's own error, which SQLAlchemy does not know."""
    raise asyncpg.InterfaceError("connection is closed")


async def test_a_connection_that_is_lost_while_it_is_made_is_an_outage() -> None:
    """Neither claiming nor tidying raises; the reason is told."""
    engine, readiness = create_async_engine("sqlite+aiosqlite://", async_creator=closed), Readiness()
    rows = LeasedRows(Database(engine, Random(1)), readiness, no_failpoints)
    claimed, _ = await rows.claim(Kind.EVENT, ClaimRequest(10, 1_000, recent=False, began=0.0))
    assert claimed == []
    assert "outbox" in readiness.problems
    cleanup = OutboxHousekeeping(Database(engine, Random(1)))
    assert await cleanup.delete_stale_replies(timedelta(minutes=10)) == 0
    assert await cleanup.count_retries(10) is None
    await engine.dispose()
