"""Waiting for a number that grows thousands of times a second: looking now and then is cheaper than an event each."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 900
TICK_SECONDS = 0.002


async def until(holds: Callable[[], bool]) -> None:
    """Return soon after it holds; TimeoutError if it does not within PATIENCE_SECONDS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - the reason is this module's first line
            await asyncio.sleep(TICK_SECONDS)
