"""Waiting for what becomes true by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.engine import reading

PAUSE_SECONDS = 0.05


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Return once it holds; TimeoutError if it does not within the time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what a database holds sets no event
            await asyncio.sleep(PAUSE_SECONDS)


async def until_blocked(engine: AsyncEngine, task: asyncio.Task[Any]) -> None:
    """Wait until the task's transaction stands before a lock; SQLite does not tell, so there it is given a moment."""
    if engine.dialect.name == "sqlite":
        done, _ = await asyncio.wait([task], timeout=0.3)
        assert not done
        return
    blocked = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30):
        while True:
            async with reading(engine) as conn:
                if await conn.scalar(blocked):
                    return
