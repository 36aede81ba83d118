"""Counts what the database has to do, instead of timing it."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

TURN_SECONDS = 0.001
INSTRUCTIONS = 10
Number = TypeVar("Number", int, float)


@dataclass
class Effort(Generic[Number]):
    """A number that is set when the block ends."""

    number: Number


class Statement(NamedTuple):
    """A statement as the driver gets it; `many`: run once for each of the parameters."""

    text: str
    parameters: Any
    many: bool


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[Statement]]:
    """Every statement that is sent during the block."""
    sent: list[Statement] = []

    def keep(_conn: object, _cursor: object, text: str, parameters: Any, _context: object, many: bool) -> None:
        sent.append(Statement(text, parameters, many))

    sa.event.listen(engine.sync_engine, "before_cursor_execute", keep)
    yield sent
    sa.event.remove(engine.sync_engine, "before_cursor_execute", keep)


async def plan_of(conn: AsyncConnection, statement: Statement) -> list[str]:
    """The lines of the database's plan for a statement."""
    explain = "EXPLAIN " if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    parameters = statement.parameters[0] if statement.many else statement.parameters
    return [str(row) for row in await conn.exec_driver_sql(explain + statement.text, parameters)]


@asynccontextmanager
async def rows_read(conn: AsyncConnection, table: str) -> AsyncIterator[Effort[int]]:
    """About how many rows of a table the block reads, for foreign keys too; on SQLite a bound for all tables."""
    effort = Effort(0)
    if conn.dialect.name == "postgresql":
        read = sa.text(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = :table"
        )
        before = await conn.scalar(read, {"table": table})
        yield effort
        effort.number = (await conn.scalar(read, {"table": table}) or 0) - (before or 0)
        return

    def count() -> int:
        effort.number += INSTRUCTIONS
        return 0

    driver = (await conn.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.set_progress_handler(count, INSTRUCTIONS)
    yield effort
    await driver.set_progress_handler(None, INSTRUCTIONS)


@contextmanager
def memory() -> Iterator[Effort[int]]:
    """The peak bytes of Python memory in the block, beyond what was allocated before."""
    effort = Effort(0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    yield effort
    _, most = tracemalloc.get_traced_memory()
    effort.number = most - before
    tracemalloc.stop()


@asynccontextmanager
async def silence() -> AsyncIterator[Effort[float]]:
    """The longest time without a turn for another task, in seconds of this thread's CPU."""
    effort = Effort(0.0)

    async def others() -> None:
        last = time.thread_time()
        while True:
            now = time.thread_time()
            effort.number, last = max(effort.number, now - last), now
            await asyncio.sleep(TURN_SECONDS)  # a turn now and then: without a pause, the database's thread gets none

    gc.freeze()  # otherwise a collection scans all objects of the whole test run
    working = asyncio.create_task(others())
    await asyncio.sleep(0)  # the first turn
    yield effort
    await asyncio.sleep(0)  # the last one
    working.cancel()
    gc.unfreeze()
