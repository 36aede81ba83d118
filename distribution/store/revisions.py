"""Which revision the schema has, and the programs of which revisions run on it: both stand in the database.

A program does not know revisions that are newer than itself. So every upgrade writes down which programs run on what it
leaves (docs/decisions/0017), and a program looks for its own revision there.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

VERSION_TABLE = "schema_revision"
"""Alembic's own table, by a name that programs of the first releases do not look for."""
FIRST_PROGRAMS = "0007"
"""Those programs compare `alembic_version` with this, and know of nothing else. It stands there while they run."""

bookkeeping = sa.MetaData()
current = sa.Table(VERSION_TABLE, bookkeeping, sa.Column("version_num", sa.String(32), nullable=False))
told_first_programs = sa.Table("alembic_version", bookkeeping, sa.Column("version_num", sa.String(32), nullable=False))
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
    there = sa.inspect(conn)
    told = conn.scalar(sa.select(told_first_programs)) if there.has_table(told_first_programs.name) else None
    if told is None or not there.has_table(schema_programs.name):
        return Stored(told)
    revision = conn.scalar(sa.select(current)) if there.has_table(VERSION_TABLE) else None
    if told not in (revision, FIRST_PROGRAMS):
        return Stored(told)
    return Stored(revision, frozenset(conn.scalars(sa.select(schema_programs.c.revision))))


def adopt(conn: Connection) -> None:
    """Have Alembic's table hold what `alembic_version` says, up to the revision that keeps programs."""
    there = sa.inspect(conn)
    if there.has_table(schema_programs.name):
        return
    current.create(conn, checkfirst=True)
    conn.execute(sa.delete(current))
    if there.has_table(told_first_programs.name):
        conn.execute(sa.insert(current).from_select(["version_num"], sa.select(told_first_programs)))


def write(conn: Connection, revision: str | None, programs: Collection[str]) -> None:
    """Keep what an upgrade or a downgrade leaves; to be called in its transaction."""
    told_first_programs.create(conn, checkfirst=True)
    conn.execute(sa.delete(told_first_programs))
    if revision is not None:
        told = FIRST_PROGRAMS if FIRST_PROGRAMS in programs else revision
        conn.execute(sa.insert(told_first_programs).values(version_num=told))
    if sa.inspect(conn).has_table(schema_programs.name):
        conn.execute(sa.delete(schema_programs))
        conn.execute(sa.insert(schema_programs), [{"revision": each} for each in sorted(programs)])
