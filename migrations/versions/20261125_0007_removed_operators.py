"""operators that are removed keep their row; whether one ever had a contact stands in it"""

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

operators = sa.table("operators", sa.column("id"), sa.column("had_contacts"))
contacts = sa.table("contacts", sa.column("operator_id"))
decisions = sa.table("decisions", sa.column("operator_id"), sa.column("previous_operator_id"))


def upgrade() -> None:
    non_blocking_ddl.add_column("operators", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    non_blocking_ddl.add_column(
        "operators", sa.Column("had_contacts", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    # After the columns are committed: until then the table is locked, and reading all decisions takes time.
    with non_blocking_ddl.apart() as conn:
        for operator_id in sorted(with_contacts(conn)):
            mark = sa.update(operators).where(operators.c.id == operator_id, operators.c.had_contacts.is_(sa.false()))
            conn.execute(mark.values(had_contacts=sa.true()))


def with_contacts(conn: sa.Connection) -> set[int]:
    """Operators who have or had a contact. Decisions lack an index for it: read once, only if a contact has none."""
    now = sa.exists().where(contacts.c.operator_id == operators.c.id)
    by_id = {row.id: row.has for row in conn.execute(sa.select(operators.c.id, now.label("has")))}
    had = {operator_id for operator_id, has in by_id.items() if has}
    if len(had) < len(by_id):
        named = sa.union(sa.select(decisions.c.operator_id), sa.select(decisions.c.previous_operator_id))
        had |= by_id.keys() & set(conn.scalars(named))
    return had


def downgrade() -> None:
    # Rows of removed operators stay, as inactive operators: deleting them would read all decisions.
    op.drop_column("operators", "had_contacts")
    op.drop_column("operators", "deleted_at")
