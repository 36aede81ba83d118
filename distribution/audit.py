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
from distribution.store.bulk import columns_of, insert_columns
from distribution.store.contacts import Contact
from distribution.store.dialects import octets
from distribution.store.pagination import Page, cut_by_size
from distribution.store.tables import audit_log


class AuditRole(StrEnum):
    """The role of the actor who made a change."""

    VIEWER = "viewer"
    BOT = "bot"
    ADMIN = "admin"
    SHELL = "shell"
    """A person at the command line."""
    SYSTEM = "system"
    """A program without a person behind it."""


class Action(StrEnum):
    """An audited action; the part before the dot is the kind of object."""

    OPERATOR_MADE = "operator.made"
    OPERATOR_CHANGED = "operator.changed"
    OPERATOR_REASSIGNED = "operator.reassigned"
    OPERATOR_REMOVED = "operator.removed"
    OPERATOR_REPAIRED = "operator.repaired"
    SOURCE_MADE = "source.made"
    SOURCE_CHANGED = "source.changed"
    SOURCE_WEIGHTS_CHANGED = "source.weights_changed"
    SOURCE_WEIGHT_REMOVED = "source.weight_removed"
    """Removed together with its operator."""
    SOURCE_REMOVED = "source.removed"
    CONTACT_ASSIGNED = "contact.assigned"
    CONTACT_FORCED = "contact.forced"
    CONTACT_CLOSED = "contact.closed"
    CONTACT_REPAIRED = "contact.repaired"
    PARKED_REPLAYED = "parked.replayed"
    PARKED_DROPPED = "parked.dropped"

    @property
    def kind(self) -> str:
        """The kind of object."""
        return self.value.partition(".")[0]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row of the audit; `before` and `after` are JSON text, None if the object did not or does not exist."""

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


def entry(actor: Actor, action: Action, key: object, before: State, after: State) -> AuditEntry:
    """Returns a new row: an actor's change of an object."""
    return AuditEntry(
        new_id(), actor.role, actor.name, action.value, action.kind, str(key), _json(before), _json(after)
    )


async def record(conn: AsyncConnection, actor: Actor, action: Action, key: object, before: State, after: State) -> None:
    """Record an actor's change of an object; a request that changed nothing is not recorded."""
    if before != after:
        await record_all(conn, [entry(actor, action, key, before, after)])


async def record_all(conn: AsyncConnection, entries: Sequence[AuditEntry]) -> None:
    """Record many changes in one statement."""
    await insert_columns(conn, audit_log, columns_of(entries))


def contact_state(contact: Contact) -> Mapping[str, Any]:
    """Returns what the audit keeps of a contact."""
    return {"status": contact.status, "operator_id": contact.operator_id}


async def page(conn: AsyncConnection, criteria: AuditFilter, before: UUID | None, limit: int) -> Page[AuditEntry, UUID]:
    """Rows of the audit, the newest first; a page is shorter than `limit` if their states are large."""
    c = audit_log.c
    size = sa.func.coalesce(octets(c.before), 0) + sa.func.coalesce(octets(c.after), 0)
    query = sa.select(c.id, size).order_by(c.id.desc()).limit(limit + 1)
    for name in AuditFilter.__slots__:
        if (value := getattr(criteria, name)) is not None:
            query = query.where(c[name] == value)
    if before is not None:
        query = query.where(c.id < before)
    id_page = cut_by_size([(row[0], row[1]) for row in await conn.execute(query)], limit)
    rows = await conn.execute(sa.select(*FIELDS).where(c.id.in_(id_page.items)).order_by(c.id.desc()))
    return Page([AuditEntry(*row) for row in rows], id_page.last)


def _json(state: State) -> str | None:
    return None if state is None else orjson.dumps(dict(state)).decode()
