"""Further keys of contacts, and the newest contact of each payload: both only of sources with a `dedupe_window`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import columns_of, insert_columns, upsert
from distribution.store.column_types import NumberedId
from distribution.store.contacts import FIELDS, KEYS, Contact, ContactKey
from distribution.store.dialects import IDS, ValuesTable
from distribution.store.tables import contact_keys, contact_payloads, contacts, sources

PAYLOADS = ValuesTable("payloads", source_id=NumberedId, digest=sa.Text(), after=sa.Uuid(), before=sa.Uuid())


@dataclass(frozen=True, slots=True)
class FurtherKey:
    """A row of `contact_keys`: `digest` is of the body that came with this key."""

    source_id: int
    message_id: str
    producer: str
    digest: bytes
    contact_id: UUID


class PayloadLookup(NamedTuple):
    """A payload to look for, and the ids between which its contact must be."""

    source_id: int
    digest: str
    after: UUID
    before: UUID


KEY_COLUMNS = tuple(contact_keys.c[name] for name in ContactKey._fields)
BY_KEYS: sa.Select[*tuple[Any, ...]] = (
    sa.select(*KEY_COLUMNS, contact_keys.c.digest, *FIELDS)
    .join(KEYS, sa.and_(*(column == KEYS.c[column.name] for column in KEY_COLUMNS)))
    .join(contacts, contacts.c.id == contact_keys.c.contact_id)
)


async def by_keys(conn: AsyncConnection, keys: Sequence[ContactKey]) -> dict[ContactKey, tuple[Contact, bytes]]:
    """Returns the contacts that have one of these as a further key, and the digests of the bodies that came with it."""
    rows = await conn.execute(BY_KEYS, KEYS.bound(conn, *zip(*keys, strict=True)))
    return {ContactKey(*row[:3]): (Contact(*row[4:]), row[3]) for row in rows}


async def insert(conn: AsyncConnection, new: Sequence[FurtherKey], unmarked: Collection[int]) -> None:
    """Write further keys; `unmarked`: ids of their sources whose `has_contact_keys` is not set yet."""
    await insert_columns(conn, contact_keys, columns_of(new))
    if unmarked:
        marked = sa.update(sources).where(sources.c.id.in_(sa.select(IDS.c.id))).values(has_contact_keys=True)
        await conn.execute(marked, IDS.bound(conn, sorted(unmarked)))


async def by_payloads(conn: AsyncConnection, lookups: Sequence[PayloadLookup]) -> dict[tuple[int, str], Contact]:
    """Returns by (source id, digest) the newest contact with the payload, if its id is within the bounds."""
    rows = await conn.execute(_by_payloads(), PAYLOADS.bound(conn, *zip(*lookups, strict=True)))
    return {(row[0], row[1]): Contact(*row[2:]) for row in rows}


@cache
def _by_payloads() -> sa.Select[*tuple[Any, ...]]:
    p, wanted = contact_payloads.c, PAYLOADS.c
    same_payload = sa.and_(
        p.source_id == wanted.source_id,
        p.digest == wanted.digest,
        p.contact_id > wanted.after,
        p.contact_id < wanted.before,
    )
    return (
        sa.select(p.source_id, p.digest, *FIELDS)
        .join(PAYLOADS, same_payload)
        .join(contacts, contacts.c.id == p.contact_id)
    )


async def keep_payloads(conn: AsyncConnection, newest: Mapping[tuple[int, str], UUID]) -> None:
    """Record the newest contacts of payloads, by (source id, digest of a lead and a payload)."""
    rows = [{"source_id": key[0], "digest": key[1], "contact_id": newest[key]} for key in newest]
    await upsert(conn, contact_payloads, ["source_id", "digest"], rows)
