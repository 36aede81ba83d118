"""on SQLite no id of an operator, a source or a lead is given out twice"""

from alembic import op

from migrations import sqlite_tables

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
oldest_program = "0007"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in ("operators", "sources", "leads"):
            sqlite_tables.never_reuse_ids(op.get_bind(), table)


def downgrade() -> None:
    """Leave AUTOINCREMENT: programs of the previous revision do not notice, and no id may be reused after it either."""
