"""Parties that harm others if the worker lets them: hostile reply queues, a full subscriber, messages that expire."""

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
"""RabbitMQ before 4.0 closes the connection of whoever publishes to it."""


@dataclass
class HostileParties:
    """What is declared on the broker for a run, and which rows of the outbox it may delay."""

    url: str
    prefix: str
    routing_key: str = ""

    @property
    def full_replies(self) -> str:
        """A bounded reply queue that nobody reads."""
        return f"{self.prefix}chaos.replies.full"

    @property
    def full_subscriber(self) -> str:
        """A bounded queue on `assignments` that nobody reads."""
        return f"{self.prefix}chaos.subscriber.full"

    @property
    def reply_queues(self) -> Sequence[str]:
        """Where bots of this run ask for replies."""
        own = f"{self.prefix}contacts.inbound.v1"
        return (GARBAGE, self.full_replies, f"{self.prefix}chaos.replies.none", own, "amq.topic", "r" * 255)

    def reply_to(self, random: Random) -> str | None:
        """The reply queue of a submission, for some."""
        return random.choice(self.reply_queues) if random.random() < ASKS_FOR_REPLY else None

    async def begin(self) -> None:
        """Declare the reply queue that nobody reads."""
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_declare(self.full_replies, durable=True, arguments=_bounded(1))

    async def fill_up(self, source: str, operator_id: int) -> None:
        """From now on a subscriber of one operator's events of one source refuses all but a few."""
        self.routing_key = f"contact.*.{source}.{operator_id}"
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_declare(self.full_subscriber, durable=True, arguments=_bounded(KEPT_AT_MOST))
            await channel.queue_bind(self.full_subscriber, f"{self.prefix}assignments", routing_key=self.routing_key)

    async def end(self) -> None:
        """The full subscriber goes: what it held up can leave."""
        async with channel_at(self.url, confirms=False) as channel:
            await channel.queue_delete(self.full_subscriber)

    async def delayed(self, conn: AsyncConnection) -> int:
        """Rows of the outbox that the full subscriber holds up: its own, and what follows them."""
        o = outbox.c
        guilty = sa.select(o.contact_id).where(o.routing_key.like(self.routing_key.replace("*", "%")))
        held_up = sa.select(sa.func.count()).select_from(outbox).where(o.contact_id.in_(guilty), ~o.reply)
        return await conn.scalar(held_up) or 0


def _bounded(messages: int) -> dict[str, FieldValue]:
    return {"x-overflow": "reject-publish", "x-max-length": messages}
