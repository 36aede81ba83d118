"""A process's database: units of work, each in one transaction and retried on a conflict; reads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.backoff import Backoff
from distribution.store import transactions
from distribution.store.db_errors import Failure, classify, describe_error, unavailability_raised

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

MAX_ATTEMPTS = 10
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 10.0


@dataclass(frozen=True, slots=True)
class Database:
    """Access to the database. Every method raises DatabaseUnavailable if the database fails.

    `random`: for the pauses between retries, and for the random choices made in its transactions.
    """

    engine: AsyncEngine
    random: Random

    async def run(self, work: Work[T]) -> T:
        """Do work in one transaction and commit it; on a conflict it is retried, up to MAX_ATTEMPTS attempts."""
        pauses = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        with unavailability_raised():
            for attempt in range(1, MAX_ATTEMPTS):
                try:
                    return await self._once(work)
                except Exception as error:  # of any library: classify knows which mean a conflict
                    if classify(error) is not Failure.CONFLICT:
                        raise
                    reason = describe_error(error)
                    structlog.get_logger("store").info("transaction_retried", reason=reason, attempt=attempt)
                    await asyncio.sleep(pauses.pause() * self.random.random())
            return await self._once(work)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads."""
        with unavailability_raised():
            async with transactions.reading(self.engine) as conn:
                yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads, with one snapshot for all its statements."""
        with unavailability_raised():
            async with transactions.snapshot(self.engine) as conn:
                yield conn

    async def _once(self, work: Work[T]) -> T:
        async with transactions.transaction(self.engine) as conn:
            return await work(conn)
