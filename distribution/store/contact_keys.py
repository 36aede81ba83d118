"""Further keys of contacts, and the newest contact of each payload: both only of sources with a `dedupe_window`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.contact_states import FIELDS as STATE_FIELDS
from distribution.store.contact_states import ContactState
from distribution.store.contacts import FIELDS, KEYS, Contact
from distribution.store.rows import IDS, POSTGRESQL, Values, columns_of, insert_columns
from distribution.store.tables import NumberedId, contact_keys, contact_payloads, contacts, sources

PAYLOADS = Values("payloads", source_id=NumberedId, digest=sa.Text(), after=sa.Uuid(), before=sa.Uuid())


@dataclass(frozen=True, slots=True)
class ContactKey:
    """A row of `contact_keys`: `digest` is of the body that came under this key."""

    source_id: int
    producer: str
    message_id: str
    digest: bytes
    contact_id: UUID


@dataclass(frozen=True, slots=True)
class ContactPayload:
    """A row of `contact_payloads`: `digest` is of a lead and a payload; the newest contact that has both."""

    source_id: int
    digest: str
    contact_id: UUID


class Keyed(NamedTuple):
    """A contact, and the digest of the body that came under a key of it."""

    contact: Contact
    digest: bytes


class Looked(NamedTuple):
    """A payload to look for, and between which ids the contact has to be."""

    source_id: int
    digest: str
    after: UUID
    before: UUID


async def by_keys(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Keyed]:
    """The contacts that have these (source id, message_id) as further keys."""
    rows = await conn.execute(_by_keys(conn.dialect.name), _bound(conn, keys))
    return {(row[0], row[1]): Keyed(Contact(*row[3:]), row[2]) for row in rows}


async def states_by_keys(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], ContactState]:
    """The same contacts, without their payloads."""
    rows = await conn.execute(_states_by_keys(conn.dialect.name), _bound(conn, keys))
    return {(row[0], row[1]): ContactState(*row[3:]) for row in rows}


def _bound(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[str, Any]:
    return KEYS.bound(conn.dialect.name, [source_id for source_id, _ in keys], [message_id for _, message_id in keys])


@cache
def _by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    return _of_keys(dialect, FIELDS)


@cache
def _states_by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    return _of_keys(dialect, STATE_FIELDS)


def _of_keys(dialect: str, fields: Sequence[sa.Column[Any]]) -> sa.Select[*tuple[Any, ...]]:
    k, wanted = contact_keys.c, KEYS.table(dialect)
    of_key = sa.and_(k.source_id == wanted.c.source_id, k.producer == "", k.message_id == wanted.c.message_id)
    return (
        sa.select(k.source_id, k.message_id, k.digest, *fields)
        .join(wanted, of_key)
        .join(contacts, contacts.c.id == k.contact_id)
    )


async def insert(conn: AsyncConnection, new: Sequence[ContactKey], unmarked: Collection[int]) -> None:
    """Write further keys; `unmarked`: which of their sources do not say yet that they have some."""
    await insert_columns(conn, contact_keys, columns_of(new))
    if unmarked:
        dialect = conn.dialect.name
        marked = sa.update(sources).where(sources.c.id.in_(sa.select(IDS.table(dialect).c.id)))
        await conn.execute(marked.values(has_contact_keys=True), IDS.bound(dialect, sorted(unmarked)))


async def by_payloads(conn: AsyncConnection, wanted: Sequence[Looked]) -> dict[tuple[int, str], Contact]:
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
