"""SQLite's driver with one trip to its thread for each statement, instead of the library's four.

A trip is two switches between threads that share one interpreter; with some fifteen statements in each transaction they
cost more than SQLite's own work.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite


class Connection(aiosqlite.Connection):
    """A connection as SQLAlchemy's dialect uses it: whole results, no streams."""

    def __init__(self, path: str, **arguments: Any) -> None:
        super().__init__(partial(sqlite3.connect, path, **arguments), iter_chunk_size=0)
        # A connection that was not closed must not keep the process from ending.
        self._thread.daemon = True

    def cursor(self) -> "Cursor":  # type: ignore[override]  # the library's takes a trip to be made
        """Returns a new cursor, to be used with `async with`."""
        return Cursor(self)

    def open_cursor(self) -> sqlite3.Cursor:
        """Returns SQLite's own cursor; raises ValueError if the connection is closed."""
        return self._conn.cursor()

    async def trip(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do the work in the connection's thread."""
        return await self._execute(work, *arguments)  # type: ignore[no-untyped-call]  # the library has no types there


class Cursor:
    """Executes and fetches in one trip, so that there is nothing to close."""

    _cursor: sqlite3.Cursor

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        self._cursor = self._connection.open_cursor()
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement and keep its rows."""
        self._rows = await self._connection.trip(self._execute_and_fetch, operation, parameters)

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each row of parameters."""
        await self._connection.trip(self._cursor.executemany, operation, parameters)

    async def fetchall(self) -> list[Any]:
        """The rows of the last statement, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """All rows are fetched, so SQLite holds nothing of it."""

    @property
    def description(self) -> Any:
        """The columns; None for a statement that returns no rows."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The key of the row inserted last."""
        return self._cursor.lastrowid

    def _execute_and_fetch(self, operation: str, parameters: Sequence[Any]) -> list[Any]:
        return self._cursor.execute(operation, parameters).fetchall()
