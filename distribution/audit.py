"""Who changed what, when: a row in the same transaction as the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import new_id
from distribution.optimistic_locking import Actor
from distribution.store.bulk import columns_of, insert_columns, octets
from distribution.store.contacts import Contact
from distribution.store.pagination import Page, cut_by_size
from distribution.store.tables import audit_log


class AuditRole(StrEnum):
    """By whom something was changed."""

    VIEWER = "viewer"
    BOT = "bot"
    ADMIN = "admin"
    SHELL = "shell"
    """A person at the command line."""
    SYSTEM = "system"
    """A program without a person behind it."""


class Action(StrEnum):
    """What can be done; the part before the dot is the kind of object it is done to."""

    OPERATOR_MADE = "operator.made"
    OPERATOR_CHANGED = "operator.changed"
    OPERATOR_REASSIGNED = "operator.reassigned"
    OPERATOR_REMOVED = "operator.removed"
    OPERATOR_REPAIRED = "operator.repaired"
    SOURCE_MADE = "source.made"
    SOURCE_CHANGED = "source.changed"
    SOURCE_WEIGHTS_CHANGED = "source.weights_changed"
    SOURCE_WEIGHT_REMOVED = "source.weight_removed"
    """With its operator, who was removed."""
    SOURCE_REMOVED = "source.removed"
    CONTACT_ASSIGNED = "contact.assigned"
    CONTACT_FORCED = "contact.forced"
    CONTACT_CLOSED = "contact.closed"
    CONTACT_REPAIRED = "contact.repaired"
    PARKED_REPLAYED = "parked.replayed"
    PARKED_DROPPED = "parked.dropped"

    @property
    def kind(self) -> str:
        """Of which kind the object is."""
        return self.value.partition(".")[0]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row of the audit; `before` and `after` are JSON text, None if there was or is nothing."""

    id: UUID
    role: str
    name: str | None
    action: str
    object_kind: str
    object_id: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows to list; None is any."""

    object_kind: str | None = None
    object_id: str | None = None
    action: str | None = None
    role: str | None = None
    name: str | None = None


NAME_LENGTH = 64
FIELDS = tuple(audit_log.c[name] for name in AuditEntry.__slots__)
State = Mapping[str, Any] | None


def entry(who: Actor, action: Action, key: object, before: State, after: State) -> AuditEntry:
    """A new row: an actor's change of an object."""
    return AuditEntry(new_id(), who.role, who.name, action.value, action.kind, str(key), _json(before), _json(after))


async def record(conn: AsyncConnection, who: Actor, action: Action, key: object, before: State, after: State) -> None:
    """Record an actor's change of an object; a request that changed nothing is not recorded."""
    if before != after:
        await record_all(conn, [entry(who, action, key, before, after)])


async def record_all(conn: AsyncConnection, entries: Sequence[AuditEntry]) -> None:
    """Keep many at once."""
    await insert_columns(conn, audit_log, columns_of(entries))


def contact_state(contact: Contact) -> Mapping[str, Any]:
    """What the audit keeps of a contact."""
    return {"status": contact.status, "operator_id": contact.operator_id}


async def page(conn: AsyncConnection, wanted: AuditFilter, before: UUID | None, limit: int) -> Page[AuditEntry, UUID]:
    """Rows of the audit, the newest first; a page is shorter than `limit` if their states are large."""
    c, dialect = audit_log.c, conn.dialect.name
    size = sa.func.coalesce(octets(c.before, dialect), 0) + sa.func.coalesce(octets(c.after, dialect), 0)
    query = sa.select(c.id, size).order_by(c.id.desc()).limit(limit + 1)
    for name in AuditFilter.__slots__:
        if (value := getattr(wanted, name)) is not None:
            query = query.where(c[name] == value)
    if before is not None:
        query = query.where(c.id < before)
    found = cut_by_size([(row[0], row[1]) for row in await conn.execute(query)], limit)
    rows = await conn.execute(sa.select(*FIELDS).where(c.id.in_(found.items)).order_by(c.id.desc()))
    return Page([AuditEntry(*row) for row in rows], found.last)


def _json(state: State) -> str | None:
    return None if state is None else orjson.dumps(dict(state)).decode()
