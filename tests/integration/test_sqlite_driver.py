"""SQLite's driver as SQLAlchemy uses it: the same answers and errors, with fewer changes of thread."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from distribution.store.sqlite_driver import Connection

NUMBERS = sa.table("numbers", sa.column("n", sa.Integer))


class Counted(Connection):
    """Notes each trip to the thread."""

    trips: list[str]

    def __init__(self, path: str, **arguments: Any) -> None:
        super().__init__(path, **arguments)
        self.trips = []

    async def trip(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The same, noted."""
        self.trips.append(str(arguments[0]))
        return await super().trip(work, *arguments)


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine whose connections count, with a table."""
    made = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'numbers.db'}", connect_args={"async_creator_fn": Counted}
    )
    async with made.begin() as conn:
        await conn.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        await conn.execute(sa.insert(NUMBERS), [{"n": n} for n in range(10)])
    yield made
    await made.dispose()


async def test_each_statement_is_one_trip(counted: AsyncEngine) -> None:
    """Reading, writing and writing many rows alike."""
    async with counted.connect() as conn:
        driver = (await conn.get_raw_connection()).driver_connection
        assert isinstance(driver, Counted)
        driver.trips.clear()
        assert len((await conn.execute(sa.select(NUMBERS))).all()) == 10
        assert (await conn.execute(sa.delete(NUMBERS).where(NUMBERS.c.n > 7))).rowcount == 2
        await conn.execute(sa.insert(NUMBERS), [{"n": n} for n in range(100, 200)])
        assert await conn.scalar(sa.select(sa.func.count()).select_from(NUMBERS)) == 108
        assert [trip.split()[0] for trip in driver.trips] == ["SELECT", "DELETE", "INSERT", "SELECT"]


async def test_errors_are_those_of_sqlite(counted: AsyncEngine) -> None:
    """What failed fails as it did, and the transaction can go on or be rolled back."""
    async with counted.connect() as conn:
        with pytest.raises(IntegrityError, match="UNIQUE constraint failed"):
            await conn.execute(sa.insert(NUMBERS).values(n=1))
        with pytest.raises(OperationalError, match="no such table"):
            await conn.exec_driver_sql("SELECT * FROM nowhere")
        assert await conn.scalar(sa.select(sa.func.max(NUMBERS.c.n))) == 9


async def test_a_connection_that_was_closed_is_replaced(counted: AsyncEngine) -> None:
    """It is told as a lost connection, so that the next one is new."""
    async with counted.connect() as conn:
        driver = (await conn.get_raw_connection()).driver_connection
        assert isinstance(driver, Counted)
        await driver.close()
        with pytest.raises(OperationalError, match="connection"):
            await conn.execute(sa.select(NUMBERS))
        assert conn.invalidated
    async with counted.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(NUMBERS)) == 10
