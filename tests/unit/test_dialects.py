"""Statements that are the same on both databases."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql.compiler import FROM_LINTING

from distribution.store.dialects import UUIDS, ByDialect
from distribution.store.tables import contacts

DIALECTS = [postgresql.dialect(), sqlite.dialect()]  # type: ignore[no-untyped-call]  # SQLAlchemy does not type them


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_forgotten_join_with_a_values_table_is_noticed(dialect: Dialect) -> None:
    """SQLAlchemy warns of every row with every row, which is an error in tests; a join is fine."""
    with pytest.warns(SAWarning, match="cartesian product"):
        sa.select(contacts.c.id, UUIDS.c.id).compile(dialect=dialect, linting=FROM_LINTING)
    joined = sa.select(contacts.c.id).join(UUIDS, contacts.c.id == UUIDS.c.id)
    assert "JOIN" in str(joined.compile(dialect=dialect, linting=FROM_LINTING))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_an_expression_by_dialect_stays_together(dialect: Dialect) -> None:
    """Whatever is done with it is done with the whole of it."""
    one, two = sa.column("one", sa.Integer), sa.column("two", sa.Integer)
    doubled = ByDialect[int](one + two, one + two) * 2
    assert str(doubled.compile(dialect=dialect)).startswith("(one + two) * ")
