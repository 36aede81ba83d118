"""how often an event or a reply was tried"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    non_blocking_ddl.add_column("outbox", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("outbox", "attempts")
