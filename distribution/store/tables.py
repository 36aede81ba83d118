"""Every table, as the newest revision in migrations/ has it."""

import sqlalchemy as sa

from distribution.store.column_types import NumberedId, UtcDateTime

MAX_ID = 2**63 - 1

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

operators = sa.Table(
    "operators",
    metadata,
    sa.Column("id", NumberedId, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("max_active_contacts", sa.Integer, nullable=False),
    sa.Column("load", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("had_contacts", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("load >= 0", name="load"),
    sa.CheckConstraint("max_active_contacts >= 0", name="max_active_contacts"),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("id", NumberedId, primary_key=True),
    sa.Column("code", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("strategy", sa.String(32), nullable=False),
    sa.Column("sticky", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("dedupe_window", sa.Integer),
    sa.Column("has_contact_keys", sa.Boolean, nullable=False, server_default=sa.false()),
)

source_operators = sa.Table(
    "source_operators",
    metadata,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("operator_id", sa.ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Column("deficit", sa.Double, nullable=False, server_default="0"),
    sa.CheckConstraint("weight >= 0 AND weight <= 10000", name="weight"),
    sqlite_with_rowid=False,
)

leads = sa.Table(
    "leads",
    metadata,
    sa.Column("id", NumberedId, primary_key=True),
    sa.Column("external_id", sa.String(255), nullable=False, unique=True),
    sa.Column("phone", sa.String(255), index=True),
    sa.Column("email", sa.String(255), index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("phone_normalized", sa.String(32)),
    sa.Column("email_normalized", sa.String(255)),
    sa.Column("phone_rule", sa.SmallInteger),
    sa.Column("email_rule", sa.SmallInteger),
    sa.Index("ix_leads_phone_normalized_id", "phone_normalized", "id"),
    sa.Index("ix_leads_email_normalized_id", "email_normalized", "id"),
)

WAITING = sa.text("status = 'waiting'")

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("source_id", sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("message_id", sa.String(255), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("lead_id", sa.ForeignKey("leads.id"), nullable=False),
    sa.Column("operator_id", sa.ForeignKey("operators.id")),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("assigned_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("producer", sa.String(1024), nullable=False, server_default=sa.text("''")),
    sa.Column("format", sa.SmallInteger, nullable=False, server_default="0"),
    # The producer last: the release before looks for (source_id, message_id).
    sa.UniqueConstraint("source_id", "message_id", "producer"),
    sa.CheckConstraint("status IN ('waiting', 'active', 'closed')", name="status"),
    sa.CheckConstraint("status <> 'active' OR operator_id IS NOT NULL", name="active_has_operator"),
    sa.Index("ix_contacts_lead_id_id", "lead_id", "id"),
    sa.Index("ix_contacts_operator_id_id", "operator_id", "id"),
    sa.Index("ix_contacts_source_id_id", "source_id", "id"),
    sa.Index("ix_contacts_waiting", "source_id", "id", sqlite_where=WAITING, postgresql_where=WAITING),
)

contact_keys = sa.Table(
    "contact_keys",
    metadata,
    sa.Column("source_id", sa.ForeignKey("sources.id"), primary_key=True),
    sa.Column("message_id", sa.String(255), primary_key=True),
    sa.Column("producer", sa.String(1024), primary_key=True, server_default=sa.text("''")),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("contact_id", sa.ForeignKey("contacts.id"), nullable=False),
    sqlite_with_rowid=False,
)

contact_payloads = sa.Table(
    "contact_payloads",
    metadata,
    sa.Column("source_id", sa.ForeignKey("sources.id"), primary_key=True),
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Column("contact_id", sa.ForeignKey("contacts.id"), nullable=False),
    sqlite_with_rowid=False,
)

rosters = sa.Table(
    "rosters",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

decision_batches = sa.Table(
    "decision_batches",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("roster", sa.ForeignKey("rosters.digest"), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("contact_id", sa.ForeignKey("contacts.id"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("operator_id", sa.ForeignKey("operators.id")),
    sa.Column("previous_operator_id", sa.ForeignKey("operators.id")),
    sa.Column("reason", sa.String(255)),
    sa.Column("batch_id", sa.ForeignKey("decision_batches.id")),
    sa.Column("position", sa.Integer),
    sqlite_with_rowid=False,
)

OPEN = sa.text("state IN ('deferred', 'rejected')")

DEFERRED = sa.text("state = 'deferred'")

parked_messages = sa.Table(
    "parked_messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("code", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("source", sa.String(64)),
    sa.Column("message_id", sa.String(255)),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("body_size", sa.BigInteger),
    sa.Column("body_digest", sa.LargeBinary),
    sa.Column("named_source", sa.String(64)),
    sa.Index(
        "uq_parked_messages_open_fingerprint", "fingerprint", unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    ),
    sa.Index("ix_parked_messages_state_code_id", "state", "code", "id"),
    sa.Index("ix_parked_messages_due", "next_attempt_at", sqlite_where=DEFERRED, postgresql_where=DEFERRED),
    sa.CheckConstraint("state IN ('deferred', 'rejected', 'replayed', 'dropped')", name="state"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("contact_id", sa.Uuid, index=True),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("message_id", sa.String(64), nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("routing_key", sa.String(255), nullable=False),
    sa.Column("reply", sa.Boolean, nullable=False),
    sa.Column("correlation_id", sa.String(255)),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("claimed_by", sa.Uuid),
    sa.Column("claimed_until", sa.Float),
)

queue_depths = sa.Table(
    "queue_depths",
    metadata,
    sa.Column("queue", sa.String(16), primary_key=True),
    sa.Column("messages", sa.BigInteger, nullable=False),
    sa.Column("measured_at", UtcDateTime, nullable=False),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("name", sa.String(64)),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("object_kind", sa.String(32), nullable=False),
    sa.Column("object_id", sa.String(64), nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Index("ix_audit_log_object_kind_object_id_id", "object_kind", "object_id", "id"),
    sa.Index("ix_audit_log_name_id", "name", "id"),
)

write_probes = sa.Table(
    "write_probes",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
