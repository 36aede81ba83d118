"""Many rows in one statement whose text never changes, so that it is built and prepared once."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store import clock
from distribution.store.dialects import POSTGRESQL, ValuesTable, insert_into

Columns = Mapping[str, Sequence[Any]]
"""Rows by column: all of one length."""
Processors = tuple[Callable[[Any], Any] | None, ...]


async def insert_columns(
    conn: AsyncConnection, table: sa.Table, columns: Columns, *, skip_known: bool = False, after_now: str = ""
) -> None:
    """Insert rows, given by column; with `skip_known`, rows whose key exists are left as they are.

    In one statement with arrays on PostgreSQL, where each row of an `executemany` is a message of its own. By the
    driver's own `executemany` on SQLite, since SQLAlchemy would process the parameters of each row separately.

    `after_now`: a column whose values are seconds from now by the database's own clock; None stays NULL.
    """
    if not any(columns.values()):
        return
    names, values = tuple(columns), columns.values()
    if conn.dialect.name == POSTGRESQL:
        by_arrays = _insert_arrays(table, names, skip_known, after_now)
        await conn.execute(by_arrays, _new(table, names).bound(conn, *values))
        return
    statement, processors = _insert_by_driver(table, names, skip_known, after_now)
    stored = [[*map(store, column)] if store else column for store, column in zip(processors, values, strict=True)]
    await conn.exec_driver_sql(statement, [*zip(*stored, strict=True)])


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...], skip_known: bool, after_now: str) -> sa.Insert:
    new = _new(table, names).c
    values = [clock.SECONDS + new[name] if name == after_now else new[name] for name in names]
    statement = postgresql.insert(table).from_select(names, sa.select(*values))
    return statement.on_conflict_do_nothing() if skip_known else statement


@cache
def _new(table: sa.Table, names: tuple[str, ...]) -> ValuesTable:
    return ValuesTable("inserted", **{name: table.c[name].type for name in names})


@cache
def _insert_by_driver(
    table: sa.Table, names: tuple[str, ...], skip_known: bool, after_now: str
) -> tuple[str, Processors]:
    """Returns the statement, and the functions that convert each column's values to SQLite's."""
    dialect = sqlite.dialect()
    statement = sqlite.insert(table).on_conflict_do_nothing() if skip_known else sqlite.insert(table)
    if after_now:
        statement = statement.values({after_now: clock.SECONDS + sa.literal_column("?", sa.Float)})
    compiled = statement.compile(dialect=dialect, column_keys=names)
    return str(compiled), tuple(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)


async def upsert(conn: AsyncConnection, table: sa.Table, key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that all have the same columns; where a row has the key already, its other columns are replaced."""
    if not rows:
        return
    statement = insert_into(conn.dialect.name, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in key}
    await conn.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), rows)


async def update_fields(conn: AsyncConnection, table: sa.Table, names: tuple[str, ...], objects: Sequence[Any]) -> None:
    """Write these fields of the objects into the rows with their ids."""
    rows = [{"row_id": obj.id} | {f"new_{name}": getattr(obj, name) for name in names} for obj in objects]
    if rows:
        await conn.execute(_update_fields(table, names), rows)


@cache
def _update_fields(table: sa.Table, names: tuple[str, ...]) -> sa.Update:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
    return sa.update(table).where(table.c.id == sa.bindparam("row_id")).values(values)


def first_from(column: sa.Column[Any], value: int) -> sa.ScalarSelect[Any]:
    """The lowest value of an indexed column that is not below this one.

    Tells whether there is a row. With EXISTS, if one row in twenty has such a value, PostgreSQL scans the table, since
    it expects a match soon; if there is none, it then reads the whole table.
    """
    return sa.select(sa.func.min(column)).where(column >= value).scalar_subquery()


def columns_of(objects: Sequence[Any]) -> dict[str, list[Any]]:
    """Returns the values of dataclasses with slots, all of one kind, by field."""
    return {name: list(map(attrgetter(name), objects)) for name in objects[0].__slots__} if objects else {}


def row_of(obj: Any) -> dict[str, Any]:
    """Returns a dataclass with slots as a dict. `dataclasses.asdict` also copies every value: thirty times as long."""
    return {name: getattr(obj, name) for name in obj.__slots__}
