"""Many values as a table in one statement whose text never changes, so that it is prepared once."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import TypeEngine

Column = tuple[str, TypeEngine[Any], Sequence[Any]]


def values_table(conn: AsyncConnection, name: str, *columns: Column) -> NamedFromClause:
    """A table of the given columns (name, type, values), to join with: unnest on PostgreSQL, json_each on SQLite."""
    if conn.dialect.name == "postgresql":
        arrays = [sa.cast(sa.bindparam(None, list(values), ARRAY(type_)), ARRAY(type_)) for _, type_, values in columns]
        table = sa.func.unnest(*arrays).table_valued(*[sa.column(n, type_) for n, type_, _ in columns])
        return table.render_derived(name=name)
    rows = json.dumps(list(zip(*[values for _, _, values in columns], strict=True)), default=_plain)
    each = sa.func.json_each(sa.bindparam(None, rows, sa.Text)).table_valued("value", name=f"{name}_json")
    cells = [
        sa.func.json_extract(each.c.value, f"$[{index}]", type_=type_).label(n)
        for index, (n, type_, _) in enumerate(columns)
    ]
    return sa.select(*cells).subquery(name)


async def insert_rows(conn: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns.

    On PostgreSQL as arrays in one statement, since each row of an `executemany` is a message of its own there.
    """
    if not rows:
        return
    if conn.dialect.name != "postgresql":
        await conn.execute(sa.insert(table), rows)
        return
    names = list(rows[0])
    new = values_table(conn, "new", *[(name, table.c[name].type, [row[name] for row in rows]) for name in names])
    await conn.execute(sa.insert(table).from_select(names, sa.select(*[new.c[name] for name in names])))


def columns_of(row: Any) -> dict[str, Any]:
    """What a dataclass with slots holds, by name. `dataclasses.asdict` would copy every value: thirty times as long."""
    return {name: getattr(row, name) for name in row.__slots__}


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return value.hex  # as the column type keeps it on SQLite
    raise TypeError(f"{type(value).__name__} cannot be a value of a joined table")
