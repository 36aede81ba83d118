"""phone numbers and e-mail addresses of leads, normalised

Workers fill in those of known leads (see revision 0010): a revision that did it would give other results with each
release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAMES = ("phone", "email")


def upgrade() -> None:
    op.add_column("leads", sa.Column("phone_normalized", sa.String(length=32)))
    op.add_column("leads", sa.Column("email_normalized", sa.String(length=255)))
    for name in NAMES:
        op.create_index(f"ix_leads_{name}_normalized_id", "leads", [f"{name}_normalized", "id"])


def downgrade() -> None:
    for name in NAMES:
        op.drop_index(f"ix_leads_{name}_normalized_id", "leads")
    for name in NAMES:
        op.drop_column("leads", f"{name}_normalized")
