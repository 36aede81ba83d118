"""Polls for conditions that set no event."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.transactions import reading

PAUSE_SECONDS = 0.05


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Return once the condition holds; TimeoutError if it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - a change in a database sets no event
            await asyncio.sleep(PAUSE_SECONDS)


async def until_true(holds: Callable[[], bool], seconds: float = 60) -> None:
    """The same for a condition of this process that sets no event."""

    async def at_once() -> bool:
        return holds()

    await until(at_once, seconds)


async def until_blocked(engine: AsyncEngine, task: asyncio.Task[Any]) -> None:
    """Wait until the task's transaction waits for a lock; SQLite cannot show that, so there it waits 0.3 s."""
    if engine.dialect.name == "sqlite":
        finished, _ = await asyncio.wait([task], timeout=0.3)
        assert not finished
        return
    blocked = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30):
        while True:
            async with reading(engine) as conn:
                if await conn.scalar(blocked):
                    return
