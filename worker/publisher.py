"""Publishes to one exchange and tells what became of each publication."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from uuid import UUID

from aiormq.abc import AbstractConnection
from aiormq.exceptions import (
    ChannelPreconditionFailed,
    ConnectionFrameError,
    ConnectionSyntaxError,
    ConnectionUnexpectedFrame,
)
from pamqp import commands as spec

from distribution.ids import time_of
from distribution.messages import CLOUDEVENTS_TYPE
from distribution.store.outbox import Publication
from worker.channels import PublishingChannel, Word

PERSISTENT = 2
REFUSALS = (ChannelPreconditionFailed, ConnectionFrameError, ConnectionSyntaxError, ConnectionUnexpectedFrame)
"""What a broker says that ends a channel or a connection because of something published, such as its size."""
UNSENDABLE = (ValueError, TypeError, OverflowError)
"""What the client library raises before it sends anything."""


class Landed(Enum):
    """How a publication ended."""

    CONFIRMED = auto()
    UNROUTABLE = auto()
    UNSENDABLE = auto()
    """It cannot be put into frames."""
    REFUSED = auto()
    """The broker could not take it now."""


LANDED = {Word.CONFIRMED: Landed.CONFIRMED, Word.RETURNED: Landed.UNROUTABLE, Word.REFUSED: Landed.REFUSED}
Tell = Callable[[Publication, Landed, str], None]
"""What became of a publication, and why where that says more."""


class Refused(ConnectionError):
    """The broker ended the channel because of something that was in flight on it."""


class Publisher:
    """Publishes to one exchange; `mandatory` asks that some queue takes each message."""

    def __init__(self, channel: PublishingChannel[Publication], exchange: str, tell: Tell, *, mandatory: bool) -> None:
        self._channel, self._exchange, self._tell, self._mandatory = channel, exchange, tell, mandatory
        self._closing = channel.closing

    @classmethod
    async def open(
        cls, connection: AbstractConnection, exchange: str, tell: Tell, ended: Callable[[], None], *, mandatory: bool
    ) -> "Publisher":
        """Open a channel of its own; `tell` hears of each publication, `ended` of the channel's end."""
        channel = await PublishingChannel[Publication].on(connection, lambda p, word: tell(p, LANDED[word], ""))
        publisher = cls(channel, exchange, tell, mandatory=mandatory)
        publisher._closing.add_done_callback(lambda _: ended())
        return publisher

    async def send(self, publications: Sequence[Publication]) -> None:
        """Put them on their way, in order; raises as `check` does.

        Two publications of one message_id must never be in flight here. How long to wait for the broker's word is the
        caller's business, since a broker that blocks publishers owes nothing.
        """
        self.check()
        ready = []
        for publication in publications:
            try:
                ready.append((self._framed(publication), publication.message_id, publication))
            except UNSENDABLE as unsendable:
                self._tell(publication, Landed.UNSENDABLE, str(unsendable))
        if ready:
            await self._channel.send(ready)

    def check(self) -> None:
        """Raise Refused or ConnectionError where the channel is closed: of what is in flight nobody will hear."""
        if self._channel.is_closed:
            closing = self._closing
            why = closing.exception() if closing.done() and not closing.cancelled() else None
            kind = Refused if isinstance(why, REFUSALS) else ConnectionError
            raise kind(f"the channel was closed before the broker confirmed: {why}")

    def _framed(self, publication: Publication) -> bytes:
        publish = spec.Basic.Publish(
            exchange=self._exchange, routing_key=publication.routing_key, mandatory=self._mandatory
        )
        return self._channel.marshal(publish, _properties(publication), publication.body)


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
