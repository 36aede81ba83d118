"""What is written differently on PostgreSQL and on SQLite; statements made of it are the same for both."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from distribution.store.column_types import NumberedId

T = TypeVar("T")

POSTGRESQL = "postgresql"


class ValuesTable(sa.TableClause):
    """Rows passed as parameters, as a table to join with: unnest on PostgreSQL, json_each on SQLite.

    Building a statement costs more than running it: build it once, and run it with the parameters of `bound`. In one
    statement each needs a name of its own, which names its parameters; a subquery that uses one of the outer query
    correlates, as with any table.
    """

    inherit_cache = True

    def __init__(self, name: str, /, **types: TypeEngine[Any]) -> None:
        super().__init__(name, *(sa.column(column, type_) for column, type_ in types.items()))
        self._types = types

    def bound(self, conn: AsyncConnection, *columns: Sequence[Any]) -> dict[str, Any]:
        """Returns the parameters for these values, given column by column in the order of the columns."""
        if conn.dialect.name == POSTGRESQL:
            return {self._parameter(name): list(values) for name, values in zip(self._types, columns, strict=True)}
        return {self.name: orjson.dumps([*zip(*map(_plain, columns), strict=True)]).decode()}

    def on_postgresql(self) -> sa.FromClause:
        """Returns what it stands for: a parameter for each column, an array."""
        arrays = [
            sa.cast(sa.bindparam(self._parameter(name), type_=ARRAY(type_)), ARRAY(type_))
            for name, type_ in self._types.items()
        ]
        columns = [sa.column(name, type_) for name, type_ in self._types.items()]
        return sa.func.unnest(*arrays).table_valued(*columns).render_derived(name=self.name)

    def on_sqlite(self) -> sa.FromClause:
        """Returns what it stands for: one parameter, a list of rows in JSON."""
        rows = sa.bindparam(self.name, type_=sa.Text)
        elements = sa.func.json_each(rows).table_valued("value", name=f"{self.name}_json")
        cells = [
            sa.func.json_extract(elements.c.value, f"$[{index}]", type_=type_).label(name)
            for index, (name, type_) in enumerate(self._types.items())
        ]
        return sa.select(*cells).subquery(self.name)

    def _parameter(self, column: str) -> str:
        return f"{self.name}_{column}"


@compiles(ValuesTable)
def _compile_values_table(table: ValuesTable, compiler: SQLCompiler, **options: Any) -> str:
    rendered = table.on_postgresql() if compiler.dialect.name == POSTGRESQL else table.on_sqlite()
    # SQLAlchemy's check for unjoined tables must see the table, which the columns name, and not what it is rendered as.
    if (linter := options.get("from_linter")) is not None:
        linter.froms[table] = table.name
    return compiler.process(rendered, **options | {"from_linter": None})


IDS = ValuesTable("ids", id=NumberedId)
UUIDS = ValuesTable("uuids", id=sa.Uuid())
TEXTS = ValuesTable("texts", text=sa.Text())


class ByDialect(FunctionElement[T]):
    """An expression that is written in one way on PostgreSQL, and in another on SQLite."""

    name = "by_dialect"
    inherit_cache = True

    def __init__(self, on_postgresql: sa.ColumnElement[T], on_sqlite: sa.ColumnElement[T]) -> None:
        super().__init__(on_postgresql, on_sqlite)
        self.type = on_postgresql.type


@compiles(ByDialect)
def _compile_by_dialect(element: ByDialect[Any], compiler: SQLCompiler, **options: Any) -> str:
    on_postgresql, on_sqlite = element.clauses
    chosen = on_postgresql if compiler.dialect.name == POSTGRESQL else on_sqlite
    return f"({compiler.process(chosen, **options)})"


def octets(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    """The size of a text or blob in bytes. PostgreSQL knows it without reading the value; SQLite reads each value."""
    return ByDialect(
        sa.func.octet_length(column, type_=sa.Integer),
        sa.func.length(sa.cast(column, sa.LargeBinary), type_=sa.Integer),
    )


def insert_into(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can have ON CONFLICT."""
    return postgresql.insert(table) if dialect == POSTGRESQL else sqlite.insert(table)


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    """Returns ids as the column type stores them on SQLite."""
    return [value.hex for value in values] if values and isinstance(values[0], UUID) else values
