"""One channel that publishes and waits for the broker's word."""

import asyncio
from uuid import UUID

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelPreconditionFailed,
    ConnectionFrameError,
    ConnectionSyntaxError,
    ConnectionUnexpectedFrame,
    PublishError,
)
from pamqp import commands as spec

from distribution.ids import time_of
from distribution.messages import CLOUDEVENTS_TYPE
from distribution.store.outbox import Publication

PERSISTENT = 2
REFUSALS = (ChannelPreconditionFailed, ConnectionFrameError, ConnectionSyntaxError, ConnectionUnexpectedFrame)
"""What a broker says that ends a channel or a connection because of something published, such as its size."""
UNSENDABLE = (ValueError, TypeError, OverflowError)
"""What the client library raises before it sends anything."""


class Unroutable(Exception):
    """No queue takes it."""


class Unsendable(Exception):
    """It cannot be put into frames."""


class Refused(ConnectionError):
    """The broker ended the channel because of something that was in flight on it."""


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
        """Return once the broker has it on disk; raises Unroutable, Unsendable, Refused, or what means nobody knows.

        Two publications of one message_id must never be in flight here: the library tells a returned one by it. How
        long to wait is the caller's business, since a broker that blocks publishers owes nothing.
        """
        try:
            await self._channel.basic_publish(
                publication.body,
                exchange=self._exchange,
                routing_key=publication.routing_key,
                properties=_properties(publication),
                mandatory=self._mandatory,
            )
        except PublishError as returned:
            raise Unroutable(publication.routing_key) from returned
        except UNSENDABLE as unsendable:
            raise Unsendable(str(unsendable)) from unsendable
        except REFUSALS as refused:
            raise Refused(str(refused)) from refused
        except asyncio.CancelledError:
            # A dying channel cancels those who wait on it; only our own cancellation may go further as such.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._why_closed() from None

    def _why_closed(self) -> ConnectionError:
        closing = self._channel.closing
        why = closing.exception() if closing.done() and not closing.cancelled() else None
        kind = Refused if isinstance(why, REFUSALS) else ConnectionError
        return kind(f"the channel was closed before the broker confirmed: {why}")


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
