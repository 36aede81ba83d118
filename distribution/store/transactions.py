"""Work in one transaction, repeated where another transaction was in its way."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.store.db_errors import Failure, classify, describe_error
from distribution.store.engine import transaction

T = TypeVar("T")

RACES = 10
FIRST_PAUSE_SECONDS = 0.01


async def run_in_transaction(engine: AsyncEngine, random: Random, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do the work and commit it; after RACES lost ones the last error is raised, as any other is at once."""
    for attempt in range(1, RACES):
        try:
            return await _once(engine, work)
        except Exception as error:
            if classify(error) is not Failure.RACE:
                raise
            structlog.get_logger("store").info("transaction_retried", reason=describe_error(error), attempt=attempt)
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.random())
    return await _once(engine, work)


async def _once(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async with transaction(engine) as conn:
        return await work(conn)
