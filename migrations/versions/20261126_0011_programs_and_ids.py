"""whose programs run on the schema; on SQLite no id is given out twice"""

import sqlalchemy as sa
from alembic import op

from migrations import online, sqlite_ids

revision = "0011"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest_program = "0007"


def upgrade() -> None:
    online.create_table(
        "schema_programs",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_schema_programs"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table in ("operators", "sources", "leads"):
            sqlite_ids.never_again(op.get_bind(), table)


def downgrade() -> None:
    # Ids stay as they are: programs of the revision before notice nothing, and none may come again after it either.
    op.drop_table("schema_programs")
