"""One channel that publishes and waits for the broker's word."""

import asyncio
from uuid import UUID

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import PublishError
from pamqp import commands as spec

from distribution.ids import time_of
from distribution.messages import CLOUDEVENTS_TYPE
from distribution.store.outbox import Publication

CONFIRM_SECONDS = 30
PERSISTENT = 2


class Unroutable(Exception):
    """No queue takes it."""


class Publisher:
    """Publishes to one exchange; `mandatory` asks that some queue takes each message."""

    def __init__(self, channel: AbstractChannel, exchange: str, *, mandatory: bool) -> None:
        self._channel, self._exchange, self._mandatory = channel, exchange, mandatory

    @classmethod
    async def open(cls, connection: AbstractConnection, exchange: str, *, mandatory: bool) -> "Publisher":
        """Open a channel of its own with confirms."""
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        return cls(channel, exchange, mandatory=mandatory)

    async def publish(self, publication: Publication) -> None:
        """Return once the broker has it on disk. Raises Unroutable, or whatever means that nobody knows.

        Two publications of one message_id must never be in flight here: the library tells a returned one by it.
        """
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await self._channel.basic_publish(
                    publication.body,
                    exchange=self._exchange,
                    routing_key=publication.routing_key,
                    properties=_properties(publication),
                    mandatory=self._mandatory,
                )
        except PublishError as returned:
            raise Unroutable(publication.routing_key) from returned
        except asyncio.CancelledError:
            # A dying channel cancels those who wait on it; only our own cancellation may go further as such.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ConnectionError("the channel was closed before the broker confirmed") from None


def _properties(publication: Publication) -> spec.Basic.Properties:
    return spec.Basic.Properties(
        message_id=publication.message_id,
        message_type=publication.type,
        correlation_id=publication.correlation_id,
        content_type=CLOUDEVENTS_TYPE,
        delivery_mode=PERSISTENT,
        timestamp=time_of(UUID(publication.message_id)),
        headers={"traceparent": publication.traceparent} if publication.traceparent else None,
        app_id="contact-distribution",
    )
