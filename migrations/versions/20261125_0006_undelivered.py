"""retries of deferred messages are counted, bodies may be kept in part, queues have depths"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("parked_messages", sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("parked_messages", sa.Column("body_size", sa.BigInteger()))
    op.add_column("parked_messages", sa.Column("body_digest", sa.LargeBinary()))
    # These have had their four retries; a person's replay does not start another four.
    op.execute("UPDATE parked_messages SET retries = 4 WHERE state = 'rejected' AND code = 'unknown_contact'")
    op.create_table(
        "queue_depths",
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue", name="pk_queue_depths"),
    )


def downgrade() -> None:
    op.drop_table("queue_depths")
    for name in ("body_digest", "body_size", "retries"):
        op.drop_column("parked_messages", name)
