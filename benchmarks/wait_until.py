"""Waits for a counter that grows thousands of times a second: polling it is cheaper than an event for each change."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 900
TICK_SECONDS = 0.002


async def until(holds: Callable[[], bool]) -> None:
    """Return soon after the condition holds; TimeoutError if it does not within PATIENCE_SECONDS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - the reason is this module's first line
            await asyncio.sleep(TICK_SECONDS)
