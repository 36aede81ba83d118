"""The audit: query, response body and its serializer."""

import json
from typing import Any, Literal

from typing_extensions import TypedDict

from admin_api.models.common import QueryText, UuidPageQuery
from distribution.audit import Action, AuditEntry, AuditRole
from distribution.event_shapes import Time, Uuid
from distribution.ids import isoformat, time_of


class AuditQuery(UuidPageQuery):
    """Which rows of the audit: of an object (`object_id` within its `object_kind`), of an action, of an actor."""

    object_kind: Literal["operator", "source", "contact", "parked"] | None = None
    object_id: QueryText | None = None
    action: Action | None = None
    role: AuditRole | None = None
    name: QueryText | None = None


class AuditShape(TypedDict):
    """Who changed which object, and its fields before and after; null if it did not exist."""

    id: Uuid
    time: Time
    role: str
    name: str | None
    action: str
    object_kind: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def audit_shape(entry: AuditEntry) -> AuditShape:
    """Returns the response body of an audit row."""
    return {
        "id": str(entry.id),
        "time": isoformat(time_of(entry.id)),
        "role": entry.role,
        "name": entry.name,
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "before": None if entry.before is None else json.loads(entry.before),
        "after": None if entry.after is None else json.loads(entry.after),
    }
