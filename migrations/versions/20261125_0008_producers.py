"""CloudEvents are told apart by source and id; digests know every digit of a number

The release before goes on working: it writes the defaults, and finds contacts by the first two columns of the key.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest_program = "0007"

BEFORE = "uq_contacts_source_id_message_id", "source_id, message_id"
NOW = "uq_contacts_source_id_message_id_producer", "source_id, message_id, producer"


def upgrade() -> None:
    # On PostgreSQL they are committed before the index is made, which may be broken off and done again.
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("contacts")}
    for column in (
        sa.Column("producer", sa.String(length=1024), nullable=False, server_default=sa.text("''")),
        sa.Column("format", sa.SmallInteger(), nullable=False, server_default="0"),
    ):
        if column.name not in there:
            op.add_column("contacts", column)
    exchange(BEFORE, NOW)


def downgrade() -> None:
    # Fails, and changes nothing, where contacts of several producers have one message_id: the schema before has no
    # place for them.
    exchange(NOW, BEFORE)
    op.drop_column("contacts", "format")
    op.drop_column("contacts", "producer")


def exchange(old: tuple[str, str], new: tuple[str, str]) -> None:
    """Put one unique key in the place of another."""
    if op.get_bind().dialect.name == "sqlite":
        rebuild(f"CONSTRAINT {old[0]} UNIQUE ({old[1]})", f"CONSTRAINT {new[0]} UNIQUE ({new[1]})")
        return
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new[0]}")  # of an attempt that was broken off
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {new[0]} ON contacts ({new[1]})")
    op.execute(f"ALTER TABLE contacts ADD CONSTRAINT {new[0]} UNIQUE USING INDEX {new[0]}")
    op.execute(f"ALTER TABLE contacts DROP CONSTRAINT {old[0]}")


def rebuild(old: str, new: str) -> None:
    """SQLite drops no constraint, so the table is made anew.

    Decisions refer to it. Renaming would take their reference along, so the rows are laid aside instead; until they are
    back, SQLite counts them as missing.
    """
    conn = op.get_bind()
    made = conn.execute(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'contacts'")
    ).scalar_one()
    if made.count(old) != 1:
        raise RuntimeError(f"the table contacts has no {old}")
    indexes = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'contacts' AND sql IS NOT NULL"
    again = [made.replace(old, new), *conn.scalars(sa.text(indexes)).all()]
    conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    conn.exec_driver_sql("CREATE TABLE contacts_aside AS SELECT * FROM contacts")
    conn.exec_driver_sql("DROP TABLE contacts")
    conn.exec_driver_sql(again[0])
    conn.exec_driver_sql("INSERT INTO contacts SELECT * FROM contacts_aside ORDER BY rowid")
    for index in again[1:]:
        conn.exec_driver_sql(index)
    conn.exec_driver_sql("DROP TABLE contacts_aside")
