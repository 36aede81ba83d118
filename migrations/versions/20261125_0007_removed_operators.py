"""operators that are removed keep their row; whether one ever had a contact stands in it"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

operators = sa.table("operators", sa.column("id"), sa.column("had_contacts"))
contacts = sa.table("contacts", sa.column("operator_id"))
decisions = sa.table("decisions", sa.column("operator_id"), sa.column("previous_operator_id"))


def upgrade() -> None:
    # Read before the table is altered: on PostgreSQL that keeps everybody out until the end of the transaction.
    had = with_contacts(op.get_bind())
    op.add_column("operators", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("operators", sa.Column("had_contacts", sa.Boolean(), nullable=False, server_default=sa.false()))
    if had:
        mark = sa.update(operators).where(operators.c.id == sa.bindparam("operator_id")).values(had_contacts=sa.true())
        op.get_bind().execute(mark, [{"operator_id": operator_id} for operator_id in sorted(had)])


def with_contacts(conn: sa.Connection) -> set[int]:
    """Who has or had a contact. Decisions, without an index for that, are read once, and only if somebody has none."""
    now = sa.exists().where(contacts.c.operator_id == operators.c.id)
    by_id = {row.id: row.has for row in conn.execute(sa.select(operators.c.id, now.label("has")))}
    had = {operator_id for operator_id, has in by_id.items() if has}
    if len(had) < len(by_id):
        named = sa.union(sa.select(decisions.c.operator_id), sa.select(decisions.c.previous_operator_id))
        had |= by_id.keys() & set(conn.scalars(named))
    return had


def downgrade() -> None:
    # Rows of removed operators stay, as operators who are not active: to delete them would read all decisions.
    op.drop_column("operators", "had_contacts")
    op.drop_column("operators", "deleted_at")
