"""Fills a database with contacts of the past, most of them closed."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.workload import Size
from distribution.store.engine import create_engine
from distribution.store.transactions import transaction

CONTACTS_PER_LEAD = 4
LEAST_LEADS = 5_000

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n AS (SELECT generate_series(1, CAST(:count AS bigint)) AS i)",
}
_ID = {
    "sqlite": "printf('%012x{kind}8%015x', {base} + n.i, n.i)",
    "postgresql": "CAST(lpad(to_hex({base} + n.i), 12, '0') || '{kind}8' || lpad(to_hex(n.i), 15, '0') AS uuid)",
}
_BYTES = {"sqlite": "randomblob(16)", "postgresql": "decode(md5(CAST(n.i AS text)), 'hex')"}
_MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', ({base} + n.i) / 1000.0, 'unixepoch')",
    "postgresql": "to_timestamp(({base} + n.i) / 1000.0)",
}
_BASE = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class History:
    """Numbers of contacts. `waiting` are beside the `contacts`; no operator has a place for them."""

    contacts: int = 0
    active: int = 0
    waiting: int = 0


async def write(url: str, history: History, size: Size) -> None:
    """Write it into a database that already has sources and operators."""
    engine = create_engine(url, patient=True)
    async with transaction(engine) as conn:
        if history.contacts or history.waiting:
            await _leads(conn, max(LEAST_LEADS, history.contacts // CONTACTS_PER_LEAD))
            await _contacts(conn, history, size)
            await _loads(conn, history)
    async with engine.connect() as conn:
        await (await conn.execution_options(isolation_level="AUTOCOMMIT")).execute(sa.text("ANALYZE"))
    await engine.dispose()


async def _leads(conn: AsyncConnection, number: int) -> None:
    columns = "external_id, phone, email, created_at, phone_normalized, email_normalized"
    values = "'lead-' || (n.i - 1), '+4930' || n.i, 'lead-' || n.i || '@example.com'"
    await _run(
        conn,
        f"INSERT INTO leads ({columns}) {{numbers}} SELECT {values}, {{moment}},"  # noqa: S608 - our own text
        " '+4930' || n.i, 'lead-' || n.i || '@example.com' FROM n",
        number,
    )


async def _contacts(conn: AsyncConnection, history: History, size: Size) -> None:
    total = history.contacts + history.waiting
    leads = max(LEAST_LEADS, history.contacts // CONTACTS_PER_LEAD)
    first_active = history.contacts - history.active
    status = (
        f"CASE WHEN n.i > {history.contacts} THEN 'waiting' WHEN n.i > {first_active} THEN 'active' ELSE 'closed' END"
    )
    operator = f"CASE WHEN n.i > {history.contacts} THEN NULL ELSE n.i % {size.operators} + 1 END"
    columns = (
        "id, source_id, message_id, digest, lead_id, operator_id, status, payload, sequence, created_at, assigned_at,"
        " closed_at"
    )
    payload = '\'{{"text":"Enquiry \' || n.i || \': please call me back about the offer.","page":"/offers/spring"}}\''
    await _run(
        conn,
        f"INSERT INTO contacts ({columns}) {{numbers}} SELECT {{contact}}, n.i % {size.sources} + 1, 'old-' || n.i,"  # noqa: S608 - our own text
        f" {{bytes}}, n.i % {leads} + 1, {operator}, {status}, {payload},"
        f" CASE WHEN n.i > {first_active} THEN 1 ELSE 2 END, {{moment}},"
        f" CASE WHEN n.i > {history.contacts} THEN NULL ELSE {{moment}} END,"
        f" CASE WHEN n.i > {first_active} THEN NULL ELSE {{moment}} END FROM n",
        total,
    )
    decided = "contact_id, sequence, event_id, type, operator_id, reason"
    first = f"CASE WHEN n.i > {history.contacts} THEN 'contact.waiting' ELSE 'contact.assigned' END"
    await _run(
        conn,
        f"INSERT INTO decisions ({decided}) {{numbers}} SELECT {{contact}}, 1, {{event}}, {first}, {operator},"  # noqa: S608 - our own text
        " 'weighted_random' FROM n",
        total,
    )
    if first_active > 0:
        await _run(
            conn,
            f"INSERT INTO decisions ({decided}) {{numbers}} SELECT {{contact}}, 2, {{closed}}, 'contact.closed',"  # noqa: S608 - our own text
            f" {operator}, 'done' FROM n",
            first_active,
        )


async def _loads(conn: AsyncConnection, history: History) -> None:
    await conn.execute(
        sa.text(
            "UPDATE operators SET load = (SELECT count(*) FROM contacts"
            " WHERE contacts.operator_id = operators.id AND contacts.status = 'active')"
        )
    )
    if history.waiting:
        await conn.execute(sa.text("UPDATE operators SET max_active_contacts = load"))


async def _run(conn: AsyncConnection, text: str, count: int) -> None:
    dialect = conn.dialect.name
    ids = {
        name: _ID[dialect].format(base=_BASE, kind=kind)
        for name, kind in (("contact", "7000"), ("event", "7001"), ("closed", "7002"))
    }
    filled = text.format(
        numbers=_NUMBERS[dialect], bytes=_BYTES[dialect], moment=_MOMENT[dialect].format(base=_BASE), **ids
    )
    await conn.execute(sa.text(filled), {"count": count})
