"""Leads: found by external_id or created; blank fields are filled, nothing is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from distribution.event_shapes import LeadReference
from distribution.normalize import RULE
from distribution.store.bulk import row_of
from distribution.store.dialects import IDS, TEXTS, ValuesTable, insert_into
from distribution.store.tables import leads


@dataclass(slots=True)
class Lead:
    """A customer as the database knows it."""

    id: int
    external_id: str
    phone: str | None
    email: str | None

    def shown(self) -> LeadReference:
        """Returns the lead as events and the API show it."""
        return {"id": self.id, "external_id": self.external_id, "phone": self.phone, "email": self.email}


@dataclass(slots=True)
class Details:
    """A lead's details from a transaction's submissions: the first non-blank value of each, as sent and normalised."""

    phone: str | None = None
    phone_normalized: str | None = None
    email: str | None = None
    email_normalized: str | None = None

    def add(self, other: "Details") -> None:
        """Fill the blanks from another; what is already there stays."""
        if not self.phone:
            self.phone, self.phone_normalized = other.phone, other.phone_normalized
        if not self.email:
            self.email, self.email_normalized = other.email, other.email_normalized


NORMALIZED = ("phone", "email")
THIS_RULE = sa.literal(RULE, sa.SmallInteger)
NEW = ValuesTable("new", external_id=sa.Text(), **{name: sa.Text() for name in Details.__slots__})
FIELDS = (leads.c.id, leads.c.external_id, leads.c.phone, leads.c.email)
BY_EXTERNAL_ID = sa.select(*FIELDS).where(leads.c.external_id.in_(sa.select(TEXTS.c.text)))
LOCK = (
    sa.select(leads.c.id, *[leads.c[name] for name in Details.__slots__])
    .where(leads.c.id.in_(sa.select(IDS.c.id)))
    .order_by(leads.c.id)
    .with_for_update(key_share=True)
)


async def find_or_make(conn: AsyncConnection, details: Mapping[str, Details], now: datetime) -> dict[str, Lead]:
    """Returns the leads by external_id, created if they are new, their blank fields filled."""
    by_external_id = await _by_external_id(conn, list(details))
    if missing := sorted(set(details) - set(by_external_id)):
        by_external_id |= await _make(conn, {key: details[key] for key in missing}, now)
    if made_meanwhile := sorted(set(details) - set(by_external_id)):
        by_external_id |= await _by_external_id(conn, made_meanwhile)
    await _fill(conn, [lead for key, lead in by_external_id.items() if _has_news(lead, details[key])], details)
    return by_external_id


def _has_news(lead: Lead, details: Details) -> bool:
    return bool((details.phone and not lead.phone) or (details.email and not lead.email))


async def _by_external_id(conn: AsyncConnection, external_ids: list[str]) -> dict[str, Lead]:
    rows = await conn.execute(BY_EXTERNAL_ID, TEXTS.bound(conn, external_ids))
    return {row.external_id: Lead(*row) for row in rows}


async def _make(conn: AsyncConnection, new: Mapping[str, Details], now: datetime) -> dict[str, Lead]:
    """Create leads; returns those that another worker did not create meanwhile."""
    columns = [[getattr(details, name) for details in new.values()] for name in Details.__slots__]
    rows = await conn.execute(_insert(conn.dialect.name), NEW.bound(conn, list(new), *columns) | {"now": now})
    return {row.external_id: Lead(*row) for row in rows}


@cache
def _insert(dialect: str) -> ReturningInsert[int, str, str | None, str | None]:
    c, new = leads.c, NEW.c
    rules = {f"{name}_rule": sa.case((new[name].is_not(None), THIS_RULE)) for name in NORMALIZED}
    # Without a WHERE before it, SQLite parses ON CONFLICT as a join's condition.
    rows = sa.select(*new, sa.bindparam("now", type_=c.created_at.type), *rules.values()).where(sa.true())
    return (
        insert_into(dialect, leads)
        .from_select([*new.keys(), "created_at", *rules], rows)
        .on_conflict_do_nothing(index_elements=["external_id"])
        .returning(*FIELDS)
    )


async def _fill(conn: AsyncConnection, blank: list[Lead], sent: Mapping[str, Details]) -> None:
    """Fill blanks under lock, after reading again: what another worker filled stays, and events show what is stored."""
    if not blank:
        return
    rows = await conn.execute(LOCK, IDS.bound(conn, sorted(lead.id for lead in blank)))
    stored = {row.id: Details(*row[1:]) for row in rows}
    for lead in blank:
        details = stored[lead.id]
        details.add(sent[lead.external_id])
        lead.phone, lead.email = details.phone, details.email
    await conn.execute(
        _update(),
        [
            {"lead_id": lead_id, **{f"new_{name}": value for name, value in row_of(details).items()}}
            for lead_id, details in stored.items()
        ],
    )


@cache
def _update() -> sa.Update:
    c = leads.c
    new = {name: sa.bindparam(f"new_{name}", type_=c[name].type) for name in Details.__slots__}
    # What a worker of the previous release filled keeps its rule, so that it is normalized again.
    rules = {
        f"{name}_rule": sa.case(
            (sa.and_(sa.func.coalesce(c[name], "") == "", new[name].is_not(None)), THIS_RULE), else_=c[f"{name}_rule"]
        )
        for name in NORMALIZED
    }
    return sa.update(leads).where(c.id == sa.bindparam("lead_id")).values(new | rules)
