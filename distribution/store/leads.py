"""Leads: found by external_id or made; blanks are filled, nothing is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.rows import columns_of, values_table
from distribution.store.tables import NumberedId, leads


@dataclass(slots=True)
class Lead:
    """A customer as the database knows it."""

    id: int
    external_id: str
    phone: str | None
    email: str | None

    def shown(self) -> dict[str, Any]:
        """As events and the API show it."""
        return {"id": self.id, "external_id": self.external_id, "phone": self.phone, "email": self.email}


@dataclass(slots=True)
class Details:
    """What a transaction's submissions say of a lead: the first non-blank value of each, as sent and normalised."""

    phone: str | None = None
    phone_normalized: str | None = None
    email: str | None = None
    email_normalized: str | None = None

    def add(self, other: "Details") -> None:
        """Keep what is already there."""
        if not self.phone:
            self.phone, self.phone_normalized = other.phone, other.phone_normalized
        if not self.email:
            self.email, self.email_normalized = other.email, other.email_normalized


async def find_or_make(conn: AsyncConnection, wanted: Mapping[str, Details], now: datetime) -> dict[str, Lead]:
    """The leads by external_id, made where they are new, their blanks filled."""
    found = await _by_external_id(conn, list(wanted))
    missing = sorted(set(wanted) - set(found))
    if missing:
        await _insert(conn, [(key, wanted[key]) for key in missing], now)
        found |= await _by_external_id(conn, missing)
    await _fill(conn, [lead for key, lead in found.items() if _has_news(lead, wanted[key])], wanted)
    return found


def _has_news(lead: Lead, details: Details) -> bool:
    return bool((details.phone and not lead.phone) or (details.email and not lead.email))


async def _by_external_id(conn: AsyncConnection, external_ids: list[str]) -> dict[str, Lead]:
    wanted = values_table(conn, "wanted", ("external_id", sa.Text(), external_ids))
    c = leads.c
    rows = await conn.execute(
        sa.select(c.id, c.external_id, c.phone, c.email).where(c.external_id.in_(sa.select(wanted.c.external_id)))
    )
    return {row.external_id: Lead(*row) for row in rows}


async def _insert(conn: AsyncConnection, new: list[tuple[str, Details]], now: datetime) -> None:
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    rows = [{"external_id": key, "created_at": now, **columns_of(details)} for key, details in new]
    await conn.execute(insert(leads).on_conflict_do_nothing(index_elements=["external_id"]), rows)


async def _fill(conn: AsyncConnection, blank: list[Lead], wanted: Mapping[str, Details]) -> None:
    """Locked and read again first: what another worker filled meanwhile stays, and events say what is stored."""
    if not blank:
        return
    ids = values_table(conn, "blank", ("id", NumberedId, sorted(lead.id for lead in blank)))
    names = [field.name for field in fields(Details)]
    c = leads.c
    rows = await conn.execute(
        sa.select(c.id, *[c[name] for name in names])
        .where(c.id.in_(sa.select(ids.c.id)))
        .order_by(c.id)
        .with_for_update(key_share=True)
    )
    stored = {row.id: Details(*row[1:]) for row in rows}
    for lead in blank:
        details = stored[lead.id]
        details.add(wanted[lead.external_id])
        lead.phone, lead.email = details.phone, details.email
    await conn.execute(
        sa.update(leads)
        .where(c.id == sa.bindparam("lead_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names}),
        [
            {"lead_id": lead_id, **{f"new_{name}": value for name, value in columns_of(details).items()}}
            for lead_id, details in stored.items()
        ],
    )
