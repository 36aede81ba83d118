"""Rows as the release before producers wrote them."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import CLOUDEVENTS_TYPE, Incoming
from distribution.messages.digest import ROUNDED, rounded_digest
from distribution.store.tables import contacts
from distribution.store.transactions import transaction
from tests.factories import (
    body,
    submission_of,
)


def event(producer: str, key: str = "1", external_id: str = "x", **more: Any) -> Incoming:
    """A CloudEvent that asks for a contact."""
    data = json.loads(body(external_id, payload=9.5)) | more
    envelope = {"specversion": "1.0", "id": key, "source": producer, "type": "contact.submit", "data": data}
    return Incoming(json.dumps(envelope).encode(), content_type=CLOUDEVENTS_TYPE)


async def as_the_release_before_wrote_it(engine: AsyncEngine, sent: Incoming, key: str) -> None:
    """Make the only contact look as the program of schema 0007 would have written it of this message."""
    before = {"producer": "", "format": ROUNDED, "message_id": key, "digest": rounded_digest(submission_of(sent))}
    async with transaction(engine) as conn:
        await conn.execute(sa.update(contacts).values(before))
