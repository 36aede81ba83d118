"""Sources whose rows another transaction keeps locked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import contacts, sources
from distribution.store.transactions import reading
from tests.clients import body, message
from tests.factories import open_source
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until

NUMBER = 30


@asynccontextmanager
async def held(engine: AsyncEngine, table: str, where: str) -> AsyncIterator[None]:
    """A row locked by a transaction that somebody left open."""
    async with engine.connect() as conn:
        await conn.execute(sa.text("SET idle_in_transaction_session_timeout = 0"))
        await conn.execute(sa.text(f"SELECT * FROM {table} WHERE {where} FOR UPDATE"))  # noqa: S608 - both are ours
        yield
        await conn.rollback()


async def open_both(world: WorkerHarness) -> None:
    """Two sources that share nothing."""
    await open_source(world.engine, "web", {"Olga": (1, 10_000)})
    await open_source(world.engine, "shop", {"Ivan": (1, 10_000)})


async def send(world: WorkerHarness, source: str, first: int, number: int = NUMBER) -> None:
    """Messages of one source."""
    keys = range(first, first + number)
    await world.bot.publish([message(body(source, f"{source}-{n}"), f"{source}-{n}") for n in keys])


async def made(engine: AsyncEngine, source: str) -> list[str]:
    """The keys of a source's contacts, in the order they were made."""
    query = sa.select(contacts.c.message_id).join(sources).where(sources.c.code == source).order_by(contacts.c.id)
    async with reading(engine) as conn:
        return list(await conn.scalars(query))


async def until_made(world: WorkerHarness, source: str, number: int, seconds: float = 60) -> None:
    """Wait for so many contacts of a source."""

    async def are_made() -> bool:
        return len(await made(world.engine, source)) == number

    await until(are_made, seconds)
