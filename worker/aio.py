"""Waiting for events and futures; tasks that end with a block; our own cancellation and the AMQP library's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def first_of(*things: asyncio.Event | asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one of them is set or done, at most `seconds`."""
    waiting = [asyncio.ensure_future(t.wait()) if isinstance(t, asyncio.Event) else t for t in things]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for thing, task in zip(things, waiting, strict=True):
            if isinstance(thing, asyncio.Event):
                task.cancel()


@asynccontextmanager
async def running(*work: Awaitable[Any]) -> AsyncIterator[list[asyncio.Future[Any]]]:
    """A task for each; at the end of the block they are cancelled and have ended."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_being_cancelled() -> bool:
    """Whether our own task is being cancelled; the AMQP library also cancels tasks that wait for it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
