"""${message}"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "${up_revision}"
down_revision = "${down_revision}"
branch_labels = None
depends_on = None
oldest_program = "${down_revision}"  # the oldest revision whose programs run on this schema


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
