"""CloudEvents are identified by source and id; digests know every digit of a number

The release before goes on working: it writes the defaults, and finds contacts by the first two columns of the key.
"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl, sqlite_tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest_program = "0007"

BEFORE = "uq_contacts_source_id_message_id", ("source_id", "message_id")
NOW = "uq_contacts_source_id_message_id_producer", ("source_id", "message_id", "producer")

Unique = tuple[str, tuple[str, ...]]


def upgrade() -> None:
    non_blocking_ddl.add_column(
        "contacts", sa.Column("producer", sa.String(length=1024), nullable=False, server_default="")
    )
    non_blocking_ddl.add_column("contacts", sa.Column("format", sa.SmallInteger(), nullable=False, server_default="0"))
    exchange(BEFORE, NOW)


def downgrade() -> None:
    # Fails, and changes nothing, if contacts of several producers share a message_id: the previous schema cannot hold
    # them.
    exchange(NOW, BEFORE)
    op.drop_column("contacts", "format")
    op.drop_column("contacts", "producer")


def exchange(old: Unique, new: Unique) -> None:
    """Replace one unique key with another."""
    if op.get_bind().dialect.name == "sqlite":
        sqlite_tables.make_anew(op.get_bind(), "contacts", lambda columns: replaced(columns, old, new))
        return
    non_blocking_ddl.add_unique(new[0], "contacts", new[1])
    non_blocking_ddl.drop_constraint(old[0], "contacts")


def replaced(columns: str, old: Unique, new: Unique) -> str:
    before, after = (f"CONSTRAINT {name} UNIQUE ({', '.join(names)})" for name, names in (old, new))
    if columns.count(before) != 1:
        raise RuntimeError(f"the table contacts has no {before}")
    return columns.replace(before, after)
