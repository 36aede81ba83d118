"""A database trigger that records every time an operator goes over the limit: at the end the excess may be gone."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Excess = tuple[int, int, int]
"""Operator, load, limit."""

_WHEN = "NEW.load > NEW.max_active_contacts AND NEW.load > OLD.load"
_NOTE = "INSERT INTO excesses VALUES (NEW.id, NEW.load, NEW.max_active_contacts)"
_TABLE = "CREATE TABLE excesses (operator_id bigint, load bigint, max_active_contacts bigint)"
_ON = "CREATE TRIGGER note_excess AFTER UPDATE OF load ON operators FOR EACH ROW"
_STATEMENTS = {
    "sqlite": (_TABLE, f"{_ON} WHEN {_WHEN} BEGIN {_NOTE}; END"),
    "postgresql": (
        _TABLE,
        f"CREATE FUNCTION note_excess() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {_NOTE}; RETURN NULL; END'",
        f"{_ON} WHEN ({_WHEN}) EXECUTE FUNCTION note_excess()",
    ),
}


async def watch(conn: AsyncConnection) -> None:
    """Create the trigger: excesses are recorded from now on."""
    for statement in _STATEMENTS[conn.dialect.name]:
        await conn.execute(sa.text(statement))


async def recorded(conn: AsyncConnection) -> list[Excess]:
    """The recorded excesses."""
    rows = await conn.execute(sa.text("SELECT operator_id, load, max_active_contacts FROM excesses"))
    return [(operator_id, load, limit) for operator_id, load, limit in rows]
