"""Many rows of values in one statement whose text never changes, so that it is built and prepared once."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import TypeEngine

from distribution.store import clock
from distribution.store.column_types import NumberedId

POSTGRESQL = "postgresql"


class ValuesTable:
    """Rows passed as parameters, as a table to join with: unnest on PostgreSQL, json_each on SQLite.

    Building a statement costs more than running it, so statements are built once for each dialect (`functools.cache`),
    with `table`, and run with the parameters that `bound` returns.
    """

    def __init__(self, name: str, /, **columns: TypeEngine[Any]) -> None:
        self._name, self._columns = name, columns

    def table(self, dialect: str) -> NamedFromClause:
        """Returns the table, with its columns by name."""
        if dialect == POSTGRESQL:
            arrays = [
                sa.cast(sa.bindparam(self._parameter(name), type_=ARRAY(type_)), ARRAY(type_))
                for name, type_ in self._columns.items()
            ]
            columns = [sa.column(name, type_) for name, type_ in self._columns.items()]
            return sa.func.unnest(*arrays).table_valued(*columns).render_derived(name=self._name)
        rows = sa.bindparam(self._name, type_=sa.Text)
        elements = sa.func.json_each(rows).table_valued("value", name=f"{self._name}_json")
        cells = [
            sa.func.json_extract(elements.c.value, f"$[{index}]", type_=type_).label(name)
            for index, (name, type_) in enumerate(self._columns.items())
        ]
        return sa.select(*cells).subquery(self._name)

    def bound(self, dialect: str, *columns: Sequence[Any]) -> dict[str, Any]:
        """Returns the parameters for these values, given column by column in the order of the columns."""
        if dialect == POSTGRESQL:
            return {self._parameter(name): list(values) for name, values in zip(self._columns, columns, strict=True)}
        return {self._name: orjson.dumps([*zip(*map(_plain, columns), strict=True)]).decode()}

    def _parameter(self, column: str) -> str:
        return f"{self._name}_{column}"


IDS = ValuesTable("ids", id=NumberedId)
UUIDS = ValuesTable("uuids", id=sa.Uuid())
TEXTS = ValuesTable("texts", text=sa.Text())


def octets(column: sa.Column[Any], dialect: str) -> sa.ColumnElement[int]:
    """The size of a text or blob in bytes. PostgreSQL knows it without reading the value; SQLite reads each value."""
    if dialect == POSTGRESQL:
        return sa.func.octet_length(column, type_=sa.Integer)
    return sa.func.length(sa.cast(column, sa.LargeBinary), type_=sa.Integer)


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
        await conn.execute(by_arrays, _new(table, names).bound(POSTGRESQL, *values))
        return
    statement, processors = _insert_by_driver(table, names, skip_known, after_now)
    stored = [[*map(store, column)] if store else column for store, column in zip(processors, values, strict=True)]
    await conn.exec_driver_sql(statement, [*zip(*stored, strict=True)])


@cache
def _insert_arrays(table: sa.Table, names: tuple[str, ...], skip_known: bool, after_now: str) -> sa.Insert:
    new = _new(table, names).table(POSTGRESQL)
    now = clock.seconds(POSTGRESQL)
    values = [now + new.c[name] if name == after_now else new.c[name] for name in names]
    statement = postgresql.insert(table).from_select(names, sa.select(*values))
    return statement.on_conflict_do_nothing() if skip_known else statement


def _new(table: sa.Table, names: tuple[str, ...]) -> ValuesTable:
    return ValuesTable("new", **{name: table.c[name].type for name in names})


@cache
def _insert_by_driver(
    table: sa.Table, names: tuple[str, ...], skip_known: bool, after_now: str
) -> tuple[str, Processors]:
    """Returns the statement, and the functions that convert each column's values to SQLite's."""
    dialect = sqlite.dialect()
    statement = sqlite.insert(table).on_conflict_do_nothing() if skip_known else sqlite.insert(table)
    if after_now:
        statement = statement.values({after_now: clock.seconds(dialect.name) + sa.literal_column("?", sa.Float)})
    compiled = statement.compile(dialect=dialect, column_keys=names)
    return str(compiled), tuple(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)


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


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    """Returns ids as the column type stores them on SQLite."""
    return [value.hex for value in values] if values and isinstance(values[0], UUID) else values
