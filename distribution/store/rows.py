"""Many rows of values in one statement whose text never changes, so that it is made and prepared once."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import TypeEngine

from distribution.store.tables import NumberedId

POSTGRESQL = "postgresql"


class Values:
    """Rows that come as parameters, as a table to join with: unnest on PostgreSQL, json_each on SQLite.

    To make a statement costs more than to run it, so statements are made once for each dialect (`functools.cache`),
    with `table`, and run with what `bound` answers.
    """

    def __init__(self, name: str, **columns: TypeEngine[Any]) -> None:
        self._name, self._columns = name, columns

    def table(self, dialect: str) -> NamedFromClause:
        """The table, with the columns by their names."""
        if dialect == POSTGRESQL:
            arrays = [
                sa.cast(sa.bindparam(self._parameter(name), type_=ARRAY(type_)), ARRAY(type_))
                for name, type_ in self._columns.items()
            ]
            columns = [sa.column(name, type_) for name, type_ in self._columns.items()]
            return sa.func.unnest(*arrays).table_valued(*columns).render_derived(name=self._name)
        rows = sa.bindparam(self._name, type_=sa.Text)
        each = sa.func.json_each(rows).table_valued("value", name=f"{self._name}_json")
        cells = [
            sa.func.json_extract(each.c.value, f"$[{index}]", type_=type_).label(name)
            for index, (name, type_) in enumerate(self._columns.items())
        ]
        return sa.select(*cells).subquery(self._name)

    def bound(self, dialect: str, *columns: Sequence[Any]) -> dict[str, Any]:
        """The parameters for these values, given by column in the order of the columns."""
        if dialect == POSTGRESQL:
            return {self._parameter(name): list(values) for name, values in zip(self._columns, columns, strict=True)}
        return {self._name: orjson.dumps([*zip(*map(_plain, columns), strict=True)]).decode()}

    def _parameter(self, column: str) -> str:
        return f"{self._name}_{column}"


IDS = Values("ids", id=NumberedId)
UUIDS = Values("uuids", id=sa.Uuid())
TEXTS = Values("texts", text=sa.Text())


async def insert_rows(conn: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns.

    On PostgreSQL as arrays in one statement, since each row of an `executemany` is a message of its own there.
    """
    if not rows:
        return
    if conn.dialect.name != POSTGRESQL:
        await conn.execute(_insert(table), rows)
        return
    names = tuple(rows[0])
    new = _new(table, names).bound(POSTGRESQL, *[[row[name] for row in rows] for name in names])
    await conn.execute(_insert_arrays(table, names), new)


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...]) -> sa.Insert:
    new = _new(table, names).table(POSTGRESQL)
    return sa.insert(table).from_select(names, sa.select(*[new.c[name] for name in names]))


def _new(table: sa.Table, names: tuple[str, ...]) -> Values:
    return Values("new", **{name: table.c[name].type for name in names})


def columns_of(row: Any) -> dict[str, Any]:
    """What a dataclass with slots holds, by name. `dataclasses.asdict` would copy every value: thirty times as long."""
    return {name: getattr(row, name) for name in row.__slots__}


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    """Ids as the column type keeps them on SQLite."""
    return [value.hex for value in values] if values and isinstance(values[0], UUID) else values
