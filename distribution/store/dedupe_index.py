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
    """A row of `contact_keys`: `digest` is of the body that came with this key."""

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
    """A contact, and the digest of the body that came with one of its keys."""

    contact: Contact
    digest: bytes


class PayloadLookup(NamedTuple):
    """A payload to look for, and the ids between which its contact must be."""

    source_id: int
    digest: str
    after: UUID
    before: UUID


async def by_keys(conn: AsyncConnection, keys: Sequence[ContactKey]) -> dict[ContactKey, KeyedContact]:
    """Returns the contacts that have one of these as a further key, besides the one of their first submission."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_keys(dialect), FURTHER.bound(dialect, *zip(*keys, strict=True)))
    return {ContactKey(*row[:3]): KeyedContact(Contact(*row[4:]), row[3]) for row in rows}


@cache
def _by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    k, key_table = contact_keys.c, FURTHER.table(dialect)
    same_key = sa.and_(*(k[name] == key_table.c[name] for name in ContactKey._fields))
    query = sa.select(*(k[name] for name in ContactKey._fields), k.digest, *FIELDS).join(key_table, same_key)
    return query.join(contacts, contacts.c.id == k.contact_id)


async def insert(conn: AsyncConnection, new: Sequence[FurtherKey], unmarked: Collection[int]) -> None:
    """Write further keys; `unmarked`: ids of their sources whose `has_contact_keys` is not set yet."""
    await insert_columns(conn, contact_keys, columns_of(new))
    if unmarked:
        dialect = conn.dialect.name
        marked = sa.update(sources).where(sources.c.id.in_(sa.select(IDS.table(dialect).c.id)))
        await conn.execute(marked.values(has_contact_keys=True), IDS.bound(dialect, sorted(unmarked)))


async def by_payloads(conn: AsyncConnection, lookups: Sequence[PayloadLookup]) -> dict[tuple[int, str], Contact]:
    """Returns by (source id, digest) the newest contact with the payload, if its id is within the bounds."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_payloads(dialect), PAYLOADS.bound(dialect, *zip(*lookups, strict=True)))
    return {(row[0], row[1]): Contact(*row[2:]) for row in rows}


@cache
def _by_payloads(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    p, lookup_table = contact_payloads.c, PAYLOADS.table(dialect)
    same_payload = sa.and_(
        p.source_id == lookup_table.c.source_id,
        p.digest == lookup_table.c.digest,
        p.contact_id > lookup_table.c.after,
        p.contact_id < lookup_table.c.before,
    )
    return (
        sa.select(p.source_id, p.digest, *FIELDS)
        .join(lookup_table, same_payload)
        .join(contacts, contacts.c.id == p.contact_id)
    )


async def keep_payloads(conn: AsyncConnection, new: Sequence[ContactPayload]) -> None:
    """Record these as the newest contacts of their payloads."""
    if not new:
        return
    insert_into = postgresql.insert if conn.dialect.name == POSTGRESQL else sqlite.insert
    statement = insert_into(contact_payloads)
    statement = statement.on_conflict_do_update(
        index_elements=["source_id", "digest"], set_={"contact_id": statement.excluded.contact_id}
    )
    rows = [{"source_id": p.source_id, "digest": p.digest, "contact_id": p.contact_id} for p in new]
    await conn.execute(statement, rows)
