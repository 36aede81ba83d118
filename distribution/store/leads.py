"""Leads: found by external_id or made; blanks are filled, nothing is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.rows import IDS, POSTGRESQL, TEXTS, columns_of
from distribution.store.tables import leads


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
    dialect = conn.dialect.name
    rows = await conn.execute(_select_by_external_id(dialect), TEXTS.bound(dialect, external_ids))
    return {row.external_id: Lead(*row) for row in rows}


@cache
def _select_by_external_id(dialect: str) -> sa.Select[int, str, str | None, str | None]:
    c, wanted = leads.c, TEXTS.table(dialect)
    return sa.select(c.id, c.external_id, c.phone, c.email).where(c.external_id.in_(sa.select(wanted.c.text)))


async def _insert(conn: AsyncConnection, new: list[tuple[str, Details]], now: datetime) -> None:
    rows = [{"external_id": key, "created_at": now, **columns_of(details)} for key, details in new]
    await conn.execute(_insert_unknown(conn.dialect.name), rows)


@cache
def _insert_unknown(dialect: str) -> sa.Insert:
    insert = postgresql.insert if dialect == POSTGRESQL else sqlite.insert
    return insert(leads).on_conflict_do_nothing(index_elements=["external_id"])


async def _fill(conn: AsyncConnection, blank: list[Lead], wanted: Mapping[str, Details]) -> None:
    """Locked and read again first: what another worker filled meanwhile stays, and events say what is stored."""
    if not blank:
        return
    dialect = conn.dialect.name
    rows = await conn.execute(_lock(dialect), IDS.bound(dialect, sorted(lead.id for lead in blank)))
    stored = {row.id: Details(*row[1:]) for row in rows}
    for lead in blank:
        details = stored[lead.id]
        details.add(wanted[lead.external_id])
        lead.phone, lead.email = details.phone, details.email
    await conn.execute(
        _update(),
        [
            {"lead_id": lead_id, **{f"new_{name}": value for name, value in columns_of(details).items()}}
            for lead_id, details in stored.items()
        ],
    )


@cache
def _lock(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    c, ids = leads.c, IDS.table(dialect)
    return (
        sa.select(c.id, *[c[name] for name in Details.__slots__])
        .where(c.id.in_(sa.select(ids.c.id)))
        .order_by(c.id)
        .with_for_update(key_share=True)
    )


@cache
def _update() -> sa.Update:
    return (
        sa.update(leads)
        .where(leads.c.id == sa.bindparam("lead_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in Details.__slots__})
    )
