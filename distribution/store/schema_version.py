"""Which revision the schema has, and the programs of which revisions run on it: the database records both.

A program does not know revisions that are newer than itself. So every upgrade records which programs run on the schema
that it leaves (docs/decisions/0017), and a program looks for its own revision there.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from distribution.errors import SchemaError

VERSION_TABLE = "schema_revision"
"""Alembic's own table, under a name that programs of the first releases do not read."""
FIRST_PROGRAMS = "0007"
"""The first programs only compare `alembic_version` with this; it holds this value while they run on the schema.

Revisions are numbered, so earlier ones compare as less."""

bookkeeping = sa.MetaData()
current = sa.Table(VERSION_TABLE, bookkeeping, sa.Column("version_num", sa.String(32), primary_key=True))
alembic_version = sa.Table("alembic_version", bookkeeping, sa.Column("version_num", sa.String(32), primary_key=True))
schema_programs = sa.Table("schema_programs", bookkeeping, sa.Column("revision", sa.String(32), primary_key=True))


@dataclass(frozen=True, slots=True)
class Stored:
    """The revision of the schema (None: no schema), and those of other programs that run on it."""

    revision: str | None
    programs: frozenset[str] = frozenset()

    def runs(self, known: str | None) -> bool:
        """Whether programs of this revision run on it."""
        return known is not None and (known == self.revision or known in self.programs)


def stored(conn: Connection) -> Stored:
    """Returns what the database records. If a program of a first release moved the schema, `alembic_version` counts."""
    legacy, revision = _recorded(conn, alembic_version), _recorded(conn, current)
    if legacy is None or revision is None or revision <= FIRST_PROGRAMS or legacy not in (revision, FIRST_PROGRAMS):
        return Stored(legacy)
    return Stored(revision, frozenset(conn.scalars(sa.select(schema_programs.c.revision))))


def adopt(conn: Connection) -> None:
    """Create the tables, and set the revision in Alembic's: up to FIRST_PROGRAMS, the one in `alembic_version`.

    Raises SchemaError if one of the first programs moved a schema that it does not know.
    """
    bookkeeping.create_all(conn)
    legacy, revision = _recorded(conn, alembic_version), _recorded(conn, current)
    if revision is None or revision <= FIRST_PROGRAMS:
        conn.execute(sa.delete(current))
        if legacy is not None:
            conn.execute(sa.insert(current).values(version_num=legacy))
    elif legacy not in (revision, FIRST_PROGRAMS):
        raise SchemaError(
            f"An older release took the schema {revision} to {legacy} without knowing what it took: restore a backup"
        )


def write(conn: Connection, revision: str | None, programs: Collection[str]) -> None:
    """Record the schema that an upgrade or downgrade leaves; call it in its transaction."""
    conn.execute(sa.delete(alembic_version))
    conn.execute(sa.delete(schema_programs))
    if revision is not None:
        legacy = FIRST_PROGRAMS if FIRST_PROGRAMS in programs else revision
        conn.execute(sa.insert(alembic_version).values(version_num=legacy))
        conn.execute(sa.insert(schema_programs), [{"revision": program} for program in sorted(programs)])


def _recorded(conn: Connection, table: sa.Table) -> str | None:
    return conn.scalar(sa.select(table)) if sa.inspect(conn).has_table(table.name) else None
