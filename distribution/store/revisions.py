"""Which revision the schema has, and the programs of which revisions run on it: both stand in the database.

A program does not know revisions that are newer than itself. So every upgrade writes down which programs run on what it
leaves (docs/decisions/0017), and a program looks for its own revision there.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from distribution.errors import SchemaError

VERSION_TABLE = "schema_revision"
"""Alembic's own table, by a name that programs of the first releases do not look for."""
FIRST_PROGRAMS = "0007"
"""Those programs compare `alembic_version` with this, and know of nothing else. It stands there while they run.

Revisions are numbered, so that those before it are less."""

bookkeeping = sa.MetaData()
current = sa.Table(VERSION_TABLE, bookkeeping, sa.Column("version_num", sa.String(32), primary_key=True))
told_first_programs = sa.Table(
    "alembic_version", bookkeeping, sa.Column("version_num", sa.String(32), primary_key=True)
)
schema_programs = sa.Table("schema_programs", bookkeeping, sa.Column("revision", sa.String(32), primary_key=True))


@dataclass(frozen=True, slots=True)
class Stored:
    """The revision of the schema (None: there is none), and of the programs that run on it besides its own."""

    revision: str | None
    programs: frozenset[str] = frozenset()

    def runs(self, known: str | None) -> bool:
        """Whether programs of this revision run on it."""
        return known is not None and (known == self.revision or known in self.programs)


def stored(conn: Connection) -> Stored:
    """What the database says of itself. Where a program of a first release moved the schema, its word counts."""
    told, revision = _told(conn), _revision(conn)
    if told is None or revision is None or revision <= FIRST_PROGRAMS or told not in (revision, FIRST_PROGRAMS):
        return Stored(told)
    return Stored(revision, frozenset(conn.scalars(sa.select(schema_programs.c.revision))))


def adopt(conn: Connection) -> None:
    """Make the tables, and have Alembic's hold the revision: up to the first programs' what `alembic_version` says.

    Raises SchemaError if one of the first programs moved a schema that it does not know.
    """
    bookkeeping.create_all(conn)
    told, revision = _told(conn), _revision(conn)
    if revision is None or revision <= FIRST_PROGRAMS:
        conn.execute(sa.delete(current))
        if told is not None:
            conn.execute(sa.insert(current).values(version_num=told))
    elif told not in (revision, FIRST_PROGRAMS):
        raise SchemaError(
            f"An older release took the schema {revision} to {told} without knowing what it took: restore a backup"
        )


def write(conn: Connection, revision: str | None, programs: Collection[str]) -> None:
    """Keep what an upgrade or a downgrade leaves; to be called in its transaction."""
    conn.execute(sa.delete(told_first_programs))
    conn.execute(sa.delete(schema_programs))
    if revision is not None:
        told = FIRST_PROGRAMS if FIRST_PROGRAMS in programs else revision
        conn.execute(sa.insert(told_first_programs).values(version_num=told))
        conn.execute(sa.insert(schema_programs), [{"revision": each} for each in sorted(programs)])


def _told(conn: Connection) -> str | None:
    return conn.scalar(sa.select(told_first_programs)) if sa.inspect(conn).has_table(told_first_programs.name) else None


def _revision(conn: Connection) -> str | None:
    return conn.scalar(sa.select(current)) if sa.inspect(conn).has_table(VERSION_TABLE) else None
