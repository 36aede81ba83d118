"""A subscriber of one source whose queue refuses all but a few events: only that source's events may be late."""

import asyncio
import time

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.engine import reading
from distribution.store.tables import contacts, decisions, sources
from tests.chaos.connection import channel_at
from tests.chaos.subscriber import Subscriber

LENGTH = 5
LATE_SECONDS, LOOK_SECONDS = 40, 0.5
"""Longer than what a dead worker had claimed stays claimed."""


class FullSubscriber:
    """Its queue, bound for one source."""

    def __init__(self, url: str, prefix: str, source: str) -> None:
        self._url, self._prefix, self._source = url, prefix, source

    @property
    def queue(self) -> str:
        """Its queue."""
        return f"{self._prefix}chaos.full"

    async def subscribe(self) -> None:
        """Make the queue, before the first event."""
        async with channel_at(self._url, confirms=False) as channel:
            await channel.queue_declare(
                self.queue, durable=True, arguments={"x-max-length": LENGTH, "x-overflow": "reject-publish"}
            )
            key = f"contact.*.{self._source}.#"
            await channel.queue_bind(self.queue, f"{self._prefix}assignments", routing_key=key)

    async def leave(self) -> None:
        """Nobody is refused any more."""
        async with channel_at(self._url, confirms=False) as channel:
            await channel.queue_delete(self.queue)

    async def late(self, engine: AsyncEngine, subscriber: Subscriber) -> list[str]:
        """A finding where events of other sources do not come to a subscriber that takes them."""
        deadline, missing = time.monotonic() + LATE_SECONDS, 1
        while missing and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
            missing = len(await self._others(engine) - set(subscriber.heard))
        return [f"late events of the innocent: {missing}"] if missing else []

    async def _others(self, engine: AsyncEngine) -> set[str]:
        query = (
            sa.select(decisions.c.event_id)
            .join(contacts, contacts.c.id == decisions.c.contact_id)
            .join(sources, sources.c.id == contacts.c.source_id)
            .where(sources.c.code != self._source)
        )
        async with reading(engine) as conn:
            return {str(event_id) for event_id in await conn.scalars(query)}
