"""first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# On SQLite only INTEGER keys are assigned automatically.
NumberedId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "leads",
        sa.Column("id", NumberedId, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("phone", sa.String(length=255)),
        sa.Column("email", sa.String(length=255)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leads")),
        sa.UniqueConstraint("external_id", name=op.f("uq_leads_external_id")),
    )
    op.create_index(op.f("ix_leads_email"), "leads", ["email"])
    op.create_index(op.f("ix_leads_phone"), "leads", ["phone"])

    op.create_table(
        "operators",
        sa.Column("id", NumberedId, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("max_active_contacts", sa.Integer(), nullable=False),
        sa.Column("load", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("load >= 0", name=op.f("ck_operators_load")),
        sa.CheckConstraint("max_active_contacts >= 0", name=op.f("ck_operators_max_active_contacts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("routing_key", sa.String(length=255), nullable=False),
        sa.Column("reply", sa.Boolean(), nullable=False),
        sa.Column("correlation_id", sa.String(length=255)),
        sa.Column("traceparent", sa.String(length=55)),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_by", sa.Uuid()),
        sa.Column("claimed_until", sa.Float()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_contact_id"), "outbox", ["contact_id"])

    op.create_table(
        "parked_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=64)),
        sa.Column("message_id", sa.String(length=255)),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('deferred', 'rejected', 'replayed', 'dropped')", name=op.f("ck_parked_messages_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_messages")),
    )
    op.create_index("ix_parked_messages_state_code_id", "parked_messages", ["state", "code", "id"])
    op.create_index(
        "ix_parked_messages_due",
        "parked_messages",
        ["next_attempt_at"],
        sqlite_where=sa.text("state = 'deferred'"),
        postgresql_where=sa.text("state = 'deferred'"),
    )
    op.create_index(
        "uq_parked_messages_open_fingerprint",
        "parked_messages",
        ["fingerprint"],
        unique=True,
        sqlite_where=sa.text("state IN ('deferred', 'rejected')"),
        postgresql_where=sa.text("state IN ('deferred', 'rejected')"),
    )

    op.create_table(
        "rosters",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rosters")),
    )
    op.create_table(
        "sources",
        sa.Column("id", NumberedId, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("strategy", sa.String(length=32), nullable=False),
        sa.Column("sticky", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("code", name=op.f("uq_sources_code")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", NumberedId, nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("lead_id", NumberedId, nullable=False),
        sa.Column("operator_id", NumberedId),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.String(length=55)),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status <> 'active' OR operator_id IS NOT NULL", name=op.f("ck_contacts_active_has_operator")
        ),
        sa.CheckConstraint("status IN ('waiting', 'active', 'closed')", name=op.f("ck_contacts_status")),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_contacts_lead_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_contacts_operator_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_contacts_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("source_id", "message_id", name=op.f("uq_contacts_source_id_message_id")),
    )
    op.create_index("ix_contacts_lead_id_id", "contacts", ["lead_id", "id"])
    op.create_index("ix_contacts_operator_id_id", "contacts", ["operator_id", "id"])
    op.create_index("ix_contacts_source_id_id", "contacts", ["source_id", "id"])
    op.create_index(
        "ix_contacts_waiting",
        "contacts",
        ["source_id", "id"],
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    )

    op.create_table(
        "decision_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("roster", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["roster"], ["rosters.digest"], name=op.f("fk_decision_batches_roster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_batches")),
    )
    op.create_table(
        "source_operators",
        sa.Column("source_id", NumberedId, nullable=False),
        sa.Column("operator_id", NumberedId, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("deficit", sa.Double(), server_default="0", nullable=False),
        sa.CheckConstraint("weight >= 0 AND weight <= 10000", name=op.f("ck_source_operators_weight")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_source_operators_operator_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_source_operators_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", "operator_id", name=op.f("pk_source_operators")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_source_operators_operator_id"), "source_operators", ["operator_id"])

    op.create_table(
        "decisions",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("operator_id", NumberedId),
        sa.Column("previous_operator_id", NumberedId),
        sa.Column("reason", sa.String(length=255)),
        sa.Column("batch_id", sa.Uuid()),
        sa.Column("position", sa.Integer()),
        sa.ForeignKeyConstraint(["batch_id"], ["decision_batches.id"], name=op.f("fk_decisions_batch_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_decisions_contact_id")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("fk_decisions_operator_id")),
        sa.ForeignKeyConstraint(
            ["previous_operator_id"], ["operators.id"], name=op.f("fk_decisions_previous_operator_id")
        ),
        sa.PrimaryKeyConstraint("contact_id", "sequence", name=op.f("pk_decisions")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in (
        "decisions",
        "source_operators",
        "decision_batches",
        "contacts",
        "sources",
        "rosters",
        "parked_messages",
        "outbox",
        "operators",
        "leads",
    ):
        op.drop_table(table)
