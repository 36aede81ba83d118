"""Steps of revisions on tables that are in use: none blocks a table for longer than a moment.

On PostgreSQL a revision is one short transaction (columns that may be null or have a constant default, new tables), or
continues with the steps below, which are separate transactions: what precedes them is committed by then, so it must be
repeatable after an interruption (`add_column`). On SQLite every upgrade is one transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

STEP = 1000
IS_VALID = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column unless it exists; with a constant default it takes no time, however large the table is."""
    if column.name not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> None:
    """Create a table unless it exists."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **options)


def create_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Create an index without blocking writes; rebuild one that an interrupted revision left invalid."""
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    with apart() as conn:
        is_valid = conn.scalar(IS_VALID, {"name": name})
        if is_valid is False:
            op.drop_index(name, table, postgresql_concurrently=True)
        if not is_valid:
            op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index without blocking writes."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(name, table, if_exists=True)
        return
    with apart():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)


def add_unique(name: str, table: str, columns: Sequence[str]) -> None:
    """Add a unique constraint on an index that is built without blocking writes. PostgreSQL only."""
    create_index(name, table, columns, unique=True)
    if name not in {each["name"] for each in sa.inspect(op.get_bind()).get_unique_constraints(table)}:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")


def drop_constraint(name: str, table: str) -> None:
    """Drop a constraint if it exists. PostgreSQL only."""
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")


def update(table: sa.TableClause, key: str, where: sa.ColumnElement[bool], values: Mapping[str, Any]) -> None:
    """Update the rows that match, in chunks and in the order of their key, in which workers lock them too."""
    column = table.c[key]
    page = sa.select(column).where(where).order_by(column).limit(STEP)
    with apart() as conn:
        keys = conn.scalars(page).all()
        while keys:
            conn.execute(sa.update(table).where(column.in_(keys), where).values(dict(values)))
            keys = conn.scalars(page.where(column > keys[-1])).all()


@contextmanager
def apart() -> Iterator[sa.Connection]:
    """A connection on which each statement is its own transaction; on SQLite the upgrade's transaction."""
    if op.get_bind().dialect.name == "sqlite":
        yield op.get_bind()
        return
    with op.get_context().autocommit_block():
        yield op.get_bind()
