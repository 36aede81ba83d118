"""sources may have a dedupe_window; further keys of contacts; the source that a parked message names"""

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations import non_blocking_ddl

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
oldest_program = "0007"

NumberedId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SOURCE = re.compile(r"[a-z0-9_-]{1,64}")
CHUNK = 200
parked = sa.table("parked_messages", *(sa.column(name) for name in ("state", "source", "named_source")))
parked.append_column(sa.column("id", sa.Uuid))
parked.append_column(sa.column("body", sa.LargeBinary))


def upgrade() -> None:
    non_blocking_ddl.add_column("parked_messages", sa.Column("named_source", sa.String(length=64)))
    non_blocking_ddl.add_column("sources", sa.Column("dedupe_window", sa.Integer()))
    non_blocking_ddl.add_column(
        "sources", sa.Column("has_contact_keys", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    make_tables()
    with non_blocking_ddl.apart() as conn:
        fill(conn)


def fill(conn: sa.Connection) -> None:
    """Set the source that open messages name, if their bodies are plain JSON."""
    p, after = parked.c, None
    nameless = sa.and_(p.state.in_(("deferred", "rejected")), p.source.is_(None))
    while True:
        rest = nameless if after is None else sa.and_(nameless, p.id > after)
        rows = conn.execute(sa.select(p.id, p.body).where(rest).order_by(p.id).limit(CHUNK)).all()
        named = [{"parked_id": row.id, "named": name} for row in rows if (name := named_in(row.body)) is not None]
        if named:
            update = sa.update(parked).where(p.id == sa.bindparam("parked_id"))
            conn.execute(update.values(named_source=sa.bindparam("named")), named)
        if len(rows) < CHUNK:
            return
        after = rows[-1].id


def named_in(body: bytes) -> str | None:
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, dict) and "specversion" in content:
        content = content.get("data")
    source = content.get("source") if isinstance(content, dict) else None
    return source if isinstance(source, str) and SOURCE.fullmatch(source) else None


def make_tables() -> None:
    non_blocking_ddl.create_table(
        "contact_keys",
        sa.Column("source_id", NumberedId, nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("producer", sa.String(length=1024), nullable=False, server_default=sa.text("''")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_contact_keys_source_id"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="fk_contact_keys_contact_id"),
        sa.PrimaryKeyConstraint("source_id", "message_id", "producer", name="pk_contact_keys"),
        sqlite_with_rowid=False,
    )
    non_blocking_ddl.create_table(
        "contact_payloads",
        sa.Column("source_id", NumberedId, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_contact_payloads_source_id"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="fk_contact_payloads_contact_id"),
        sa.PrimaryKeyConstraint("source_id", "digest", name="pk_contact_payloads"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("contact_payloads")
    op.drop_table("contact_keys")
    op.drop_column("sources", "has_contact_keys")
    op.drop_column("sources", "dedupe_window")
    op.drop_column("parked_messages", "named_source")
