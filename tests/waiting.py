"""Waiting for what becomes true by itself."""

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.05


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Return once it holds; TimeoutError where it does not within the time."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what a database holds sets no event
            await asyncio.sleep(PAUSE_SECONDS)
