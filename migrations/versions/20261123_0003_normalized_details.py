"""phone numbers and e-mail addresses of leads, normalised"""

import sqlalchemy as sa
from alembic import op

from distribution import normalize
from distribution.settings import SharedSettings, load

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHUNK = 1000
NAMES = ("phone", "email")


def upgrade() -> None:
    op.add_column("leads", sa.Column("phone_normalized", sa.String(length=32)))
    op.add_column("leads", sa.Column("email_normalized", sa.String(length=255)))
    fill(op.get_bind(), load(SharedSettings).default_phone_region)
    for name in NAMES:
        op.create_index(f"ix_leads_{name}_normalized_id", "leads", [f"{name}_normalized", "id"])


def fill(conn: sa.Connection, region: str) -> None:
    """Known leads get what new ones get, so many at a time that memory stays small."""
    leads = sa.table("leads", *map(sa.column, ("id", *NAMES, "phone_normalized", "email_normalized")))
    known = sa.or_(leads.c.phone.is_not(None), leads.c.email.is_not(None))
    page = sa.select(leads.c.id, leads.c.phone, leads.c.email).where(known).order_by(leads.c.id).limit(CHUNK)
    update = (
        sa.update(leads)
        .where(leads.c.id == sa.bindparam("lead_id"))
        .values(phone_normalized=sa.bindparam("new_phone"), email_normalized=sa.bindparam("new_email"))
    )
    last = 0
    while rows := conn.execute(page.where(leads.c.id > last)).all():
        new = [
            {"lead_id": id_, "new_phone": normalize.phone(phone, region), "new_email": normalize.email(email)}
            for id_, phone, email in rows
        ]
        conn.execute(update, new)
        last = rows[-1].id


def downgrade() -> None:
    for name in NAMES:
        op.drop_index(f"ix_leads_{name}_normalized_id", "leads")
    for name in NAMES:
        op.drop_column("leads", f"{name}_normalized")
