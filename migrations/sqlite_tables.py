"""Rebuilds tables on SQLite, because SQLite cannot alter constraints or keys."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

WRITTEN = "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL"
OF_AUDIT = (
    "SELECT max(CAST(object_id AS INTEGER)) FROM audit_log WHERE object_kind = :kind AND object_id NOT GLOB '*[^0-9]*'"
)


def make_anew(conn: Connection, table: str, changed: Callable[[str], str]) -> None:
    """Copy the table, with its current columns, into a new one whose definition `changed` returns.

    Foreign keys must be off.
    """
    [as_it_is] = conn.scalars(sa.text(WRITTEN), {"table": table, "type": "table"})
    indexes = conn.scalars(sa.text(WRITTEN), {"table": table, "type": "index"}).all()
    columns = changed(as_it_is[as_it_is.index("(") :])
    for statement in (
        f"CREATE TABLE {table}_anew {columns}",
        f"INSERT INTO {table}_anew SELECT * FROM {table} ORDER BY rowid",  # noqa: S608 - our own names
        f"DROP TABLE {table}",
        f"ALTER TABLE {table}_anew RENAME TO {table}",
        *indexes,
    ):
        conn.exec_driver_sql(statement)


def never_reuse_ids(conn: Connection, table: str) -> None:
    """Use no id twice: without AUTOINCREMENT SQLite reuses the highest one after its row is deleted."""
    [as_it_is] = conn.scalars(sa.text(WRITTEN), {"table": table, "type": "table"})
    if "AUTOINCREMENT" in as_it_is:
        return
    # The audit alone still knows deleted rows.
    used = conn.scalar(sa.text(OF_AUDIT), {"kind": table.removesuffix("s")}) or 0
    make_anew(conn, table, lambda columns: columns.replace("PRIMARY KEY (id)", "PRIMARY KEY (id AUTOINCREMENT)"))
    _start_after(conn, table, used)


def _start_after(conn: Connection, table: str, used: int) -> None:
    sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    given = conn.scalar(sa.select(sequence.c.seq).where(sequence.c.name == table))
    if used > (given or 0):
        conn.execute(sa.delete(sequence).where(sequence.c.name == table))
        conn.execute(sa.insert(sequence).values(name=table, seq=used))
