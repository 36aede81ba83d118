"""A client's channel that reconnects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, asyncio.CancelledError, RuntimeError)
PAUSE_SECONDS = 0.3
CONNECT_SECONDS = 10


@asynccontextmanager
async def channel_at(url: str, *, confirms: bool) -> AsyncIterator[AbstractChannel]:
    """A channel on a connection of its own; closing is limited to 2 s."""
    connection = aiormq.Connection(f"{url}?heartbeat=3")
    async with asyncio.timeout(CONNECT_SECONDS):
        await connection.connect()
    try:
        yield await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    finally:
        with suppress(*LOST):
            async with asyncio.timeout(2):
                await connection.close()


async def keep_trying(work: Callable[[], Awaitable[bool]]) -> None:
    """Repeat `work` until it returns that it is finished, also after a lost connection."""
    while True:
        try:
            if await work():
                return
        except LOST:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        await asyncio.sleep(PAUSE_SECONDS)  # as a client does between two attempts
