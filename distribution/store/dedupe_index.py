"""Further keys of contacts, and the newest contact of each payload: both only of sources with a `dedupe_window`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import IDS, POSTGRESQL, ValuesTable, columns_of, insert_columns
from distribution.store.column_types import NumberedId
from distribution.store.contacts import FIELDS, Contact, ContactKey
from distribution.store.tables import contact_keys, contact_payloads, contacts, sources

FURTHER = ValuesTable("further", source_id=NumberedId, message_id=sa.Text(), producer=sa.Text())
PAYLOADS = ValuesTable("payloads", source_id=NumberedId, digest=sa.Text(), after=sa.Uuid(), before=sa.Uuid())


@dataclass(frozen=True, slots=True)
class FurtherKey:
    """A row of `contact_keys`: `digest` is of the body that came under this key."""

    source_id: int
    message_id: str
    producer: str
    digest: bytes
    contact_id: UUID


@dataclass(frozen=True, slots=True)
class ContactPayload:
    """A row of `contact_payloads`: `digest` is of a lead and a payload; the newest contact that has both."""

    source_id: int
    digest: str
    contact_id: UUID


class KeyedContact(NamedTuple):
    """A contact, and the digest of the body that came under a key of it."""

    contact: Contact
    digest: bytes


class PayloadLookup(NamedTuple):
    """A payload to look for, and between which ids the contact has to be."""

    source_id: int
    digest: str
    after: UUID
    before: UUID


async def by_keys(conn: AsyncConnection, keys: Sequence[ContactKey]) -> dict[ContactKey, KeyedContact]:
    """The contacts that have these keys besides the one that they were submitted with first."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_keys(dialect), FURTHER.bound(dialect, *zip(*keys, strict=True)))
    return {ContactKey(*row[:3]): KeyedContact(Contact(*row[4:]), row[3]) for row in rows}


@cache
def _by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    k, wanted = contact_keys.c, FURTHER.table(dialect)
    of_key = sa.and_(*(k[name] == wanted.c[name] for name in ContactKey._fields))
    query = sa.select(*(k[name] for name in ContactKey._fields), k.digest, *FIELDS).join(wanted, of_key)
    return query.join(contacts, contacts.c.id == k.contact_id)


async def insert(conn: AsyncConnection, new: Sequence[FurtherKey], unmarked: Collection[int]) -> None:
    """Write further keys; `unmarked`: which of their sources do not say yet that they have some."""
    await insert_columns(conn, contact_keys, columns_of(new))
    if unmarked:
        dialect = conn.dialect.name
        marked = sa.update(sources).where(sources.c.id.in_(sa.select(IDS.table(dialect).c.id)))
        await conn.execute(marked.values(has_contact_keys=True), IDS.bound(dialect, sorted(unmarked)))


async def by_payloads(conn: AsyncConnection, wanted: Sequence[PayloadLookup]) -> dict[tuple[int, str], Contact]:
    """By (source id, digest): the newest contact with the payload, if its id is between the two."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_payloads(dialect), PAYLOADS.bound(dialect, *zip(*wanted, strict=True)))
    return {(row[0], row[1]): Contact(*row[2:]) for row in rows}


@cache
def _by_payloads(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    p, wanted = contact_payloads.c, PAYLOADS.table(dialect)
    of_payload = sa.and_(
        p.source_id == wanted.c.source_id,
        p.digest == wanted.c.digest,
        p.contact_id > wanted.c.after,
        p.contact_id < wanted.c.before,
    )
    return (
        sa.select(p.source_id, p.digest, *FIELDS).join(wanted, of_payload).join(contacts, contacts.c.id == p.contact_id)
    )


async def keep_payloads(conn: AsyncConnection, new: Sequence[ContactPayload]) -> None:
    """Let these be the newest contacts of their payloads."""
    if not new:
        return
    make = postgresql.insert if conn.dialect.name == POSTGRESQL else sqlite.insert
    statement = make(contact_payloads)
    statement = statement.on_conflict_do_update(
        index_elements=["source_id", "digest"], set_={"contact_id": statement.excluded.contact_id}
    )
    rows = [{"source_id": p.source_id, "digest": p.digest, "contact_id": p.contact_id} for p in new]
    await conn.execute(statement, rows)
