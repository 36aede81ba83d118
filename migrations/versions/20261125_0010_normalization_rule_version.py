"""which rule spelled a lead's phone number and e-mail address: workers spell those of an older one anew

Nothing is filled here, so that no table is locked for longer than a moment, however many leads there are.
"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
oldest_program = "0007"

NAMES = ("phone_rule", "email_rule")


def upgrade() -> None:
    for name in NAMES:
        non_blocking_ddl.add_column("leads", sa.Column(name, sa.SmallInteger()))


def downgrade() -> None:
    for name in NAMES:
        op.drop_column("leads", name)
