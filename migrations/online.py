"""Steps of revisions on tables that are in use: none keeps others from a table for longer than a moment.

On PostgreSQL a revision is one short transaction (columns that may be null or have a constant default, new tables), or
goes on with the steps below, which are transactions of their own: what stands before them is committed by then, so it
has to bear being done again after an interruption (`add_column`). On SQLite every upgrade is one transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

STEP = 1000
IS_VALID = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column unless it is there; one with a constant default takes no time, however long the table is."""
    if column.name not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> None:
    """Make a table unless it is there."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **options)


def create_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Make an index while others write; one that an interrupted revision left behind is made again."""
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
    """Remove an index while others write."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(name, table, if_exists=True)
        return
    with apart():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)


def add_unique(name: str, table: str, columns: Sequence[str]) -> None:
    """Make a unique constraint over an index that is made while others write. PostgreSQL only."""
    create_index(name, table, columns, unique=True)
    if name not in {each["name"] for each in sa.inspect(op.get_bind()).get_unique_constraints(table)}:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")


def drop_constraint(name: str, table: str) -> None:
    """Remove a constraint, if it is there. PostgreSQL only."""
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")


def update(table: sa.TableClause, key: str, where: sa.ColumnElement[bool], values: Mapping[str, Any]) -> None:
    """Update the rows of a condition, some at a time and in the order of their key, as workers lock them."""
    column = table.c[key]
    page = sa.select(column).where(where).order_by(column).limit(STEP)
    with apart() as conn:
        keys = conn.scalars(page).all()
        while keys:
            conn.execute(sa.update(table).where(column.in_(keys), where).values(dict(values)))
            keys = conn.scalars(page.where(column > keys[-1])).all()


@contextmanager
def apart() -> Iterator[sa.Connection]:
    """A connection on which each statement is a transaction of its own; on SQLite the upgrade's transaction."""
    if op.get_bind().dialect.name == "sqlite":
        yield op.get_bind()
        return
    with op.get_context().autocommit_block():
        yield op.get_bind()
