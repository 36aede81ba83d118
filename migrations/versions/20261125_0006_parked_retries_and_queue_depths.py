"""retries of deferred messages are counted, bodies may be kept in part, queues have depths"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


parked = sa.table("parked_messages", *map(sa.column, ("state", "code", "retries")), sa.column("id", sa.Uuid()))


def upgrade() -> None:
    non_blocking_ddl.add_column(
        "parked_messages", sa.Column("retries", sa.Integer(), nullable=False, server_default="0")
    )
    non_blocking_ddl.add_column("parked_messages", sa.Column("body_size", sa.BigInteger()))
    non_blocking_ddl.add_column("parked_messages", sa.Column("body_digest", sa.LargeBinary()))
    non_blocking_ddl.create_table(
        "queue_depths",
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue", name="pk_queue_depths"),
    )
    # These have had their four retries; a person's replay does not start another four.
    given_up = sa.and_(parked.c.state == "rejected", parked.c.code == "unknown_contact")
    non_blocking_ddl.update(parked, "id", given_up, {"retries": 4})


def downgrade() -> None:
    op.drop_table("queue_depths")
    for name in ("body_digest", "body_size", "retries"):
        op.drop_column("parked_messages", name)
