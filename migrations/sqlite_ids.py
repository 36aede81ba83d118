"""Keys of SQLite's tables that are never given out twice.

Without AUTOINCREMENT the id of a deleted row, if it was the highest, goes to the next one. A table gets it only by
being made anew.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

WRITTEN = "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL"
OF_AUDIT = (
    "SELECT max(CAST(object_id AS INTEGER)) FROM audit_log WHERE object_kind = :kind AND object_id NOT GLOB '*[^0-9]*'"
)


def never_again(conn: Connection, table: str) -> None:
    """Make the table anew, whatever its columns are by now. Foreign keys have to be off."""
    [as_it_is] = conn.scalars(sa.text(WRITTEN), {"table": table, "type": "table"})
    if "AUTOINCREMENT" in as_it_is:
        return
    indexes = conn.scalars(sa.text(WRITTEN), {"table": table, "type": "index"}).all()
    used = _highest_in_audit(conn, table)
    columns = as_it_is[as_it_is.index("(") :].replace("PRIMARY KEY (id)", "PRIMARY KEY (id AUTOINCREMENT)")
    for statement in (
        f"CREATE TABLE {table}_anew {columns}",
        f"INSERT INTO {table}_anew SELECT * FROM {table} ORDER BY id",  # noqa: S608 - our own names
        f"DROP TABLE {table}",
        f"ALTER TABLE {table}_anew RENAME TO {table}",
        *indexes,
    ):
        conn.exec_driver_sql(statement)
    _start_after(conn, table, used)


def _highest_in_audit(conn: Connection, table: str) -> int:
    """Of rows that were deleted only the audit still tells."""
    return conn.scalar(sa.text(OF_AUDIT), {"kind": table.removesuffix("s")}) or 0


def _start_after(conn: Connection, table: str, used: int) -> None:
    sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    given = conn.scalar(sa.select(sequence.c.seq).where(sequence.c.name == table))
    if used > (given or 0):
        conn.execute(sa.delete(sequence).where(sequence.c.name == table))
        conn.execute(sa.insert(sequence).values(name=table, seq=used))
