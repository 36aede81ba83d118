"""Writers of one process on one SQLite file."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from distribution.store.db_errors import Failure, classify
from distribution.store.engine import create_engine
from distribution.store.tables import write_probes
from distribution.store.transactions import reading, transaction

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_writer_whose_turn_does_not_come_is_told_so(database_url: str) -> None:
    """It is an outage like a lock of another process, after the same time; whoever writes is not disturbed."""
    engine = create_engine(f"{database_url}?timeout=0.1")
    async with transaction(engine) as conn:
        with pytest.raises(OperationalError, match="database is locked") as locked:
            async with transaction(engine):
                pass
        await conn.execute(sa.select(write_probes.c.id))
    assert classify(locked.value) is Failure.UNAVAILABLE
    await engine.dispose()


async def test_writers_come_in_their_order_and_readers_at_once(database_url: str) -> None:
    """First come, first served, also after one that failed; reading waits for nobody."""
    engine = create_engine(database_url)
    done: list[int] = []

    async def write(number: int) -> None:
        async with transaction(engine) as conn:
            await conn.execute(sa.select(write_probes.c.id))
            done.append(number)
            if number == 1:
                raise ZeroDivisionError

    async with transaction(engine):
        waiting = [asyncio.create_task(write(number)) for number in range(5)]
        async with reading(engine) as conn:
            await conn.execute(sa.select(write_probes.c.id))
        assert done == []
    await asyncio.gather(*waiting, return_exceptions=True)
    assert done == [0, 1, 2, 3, 4]
    await engine.dispose()
