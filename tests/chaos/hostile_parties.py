"""Clients that harm others if the worker lets them: hostile reply queues, a full subscriber, messages that expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import sqlalchemy as sa
from pamqp.common import FieldValue
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.tables import outbox
from tests.chaos.reconnecting_channel import channel_at

ASKS_FOR_REPLY, EXPIRES = 0.05, 0.01
EXPIRATION_MILLISECONDS = "1"
KEPT_AT_MOST = 20
GARBAGE = "amq.rabbitmq.reply-to.g2dkABByZXBseUA.garbage=="
"""RabbitMQ before 4.0 closes the connection of a client that publishes to it."""


@dataclass
class HostileParties:
    """The hostile queues of a run, and the outbox rows that they may delay."""

    url: str
    prefix: str
    routing_key: str = ""

    @property
    def full_replies(self) -> str:
        """A bounded reply queue that no client consumes."""
        return f"{self.prefix}chaos.replies.full"

    @property
    def full_subscriber(self) -> str:
        """A bounded queue on `assignments` that no client consumes."""
        return f"{self.prefix}chaos.subscriber.full"

    @property
    def reply_queues(self) -> Sequence[str]:
        """The reply queues that bots of this run ask for."""
        own = f"{self.prefix}contacts.inbound.v1"
        return (GARBAGE, self.full_replies, f"{self.prefix}chaos.replies.none", own, "amq.topic", "r" * 255)

    def reply_to(self, random: Random) -> str | None:
        """The reply queue of a submission; None for most."""
        return random.choice(self.reply_queues) if random.random() < ASKS_FOR_REPLY else None

    async def begin(self) -> None:
        """Declare the full reply queue."""
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_declare(self.full_replies, durable=True, arguments=_bounded(1))

    async def fill_up(self, source: str, operator_id: int) -> None:
        """Bind a queue to one operator's events of one source that refuses all but the first few."""
        self.routing_key = f"contact.*.{source}.{operator_id}"
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_declare(self.full_subscriber, durable=True, arguments=_bounded(KEPT_AT_MOST))
            await channel.queue_bind(self.full_subscriber, f"{self.prefix}assignments", routing_key=self.routing_key)

    async def end(self) -> None:
        """Delete the full subscriber's queue: the events it delayed can be published."""
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_delete(self.full_subscriber)

    async def delayed(self, conn: AsyncConnection) -> int:
        """The number of outbox rows that the full subscriber delays: its own, and later ones of the same contacts."""
        o = outbox.c
        delayed = sa.select(o.contact_id).where(o.routing_key.like(self.routing_key.replace("*", "%")))
        delayed_rows = sa.select(sa.func.count()).select_from(outbox).where(o.contact_id.in_(delayed), ~o.reply)
        return await conn.scalar(delayed_rows) or 0


def _bounded(messages: int) -> dict[str, FieldValue]:
    return {"x-overflow": "reject-publish", "x-max-length": messages}
