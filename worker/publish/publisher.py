"""Publishes to one exchange and tells what became of each publication."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from uuid import UUID

from aiormq.abc import AbstractConnection
from pamqp import commands as spec

from distribution.ids import time_of
from distribution.messages import CLOUDEVENTS_TYPE
from distribution.store.outbox import Publication
from worker.broker.channels import PublishingChannel, Word

PERSISTENT = 2
UNSENDABLE = (ValueError, TypeError, OverflowError)
"""What the client library raises before it sends anything."""


class Landed(Enum):
    """How a publication ended."""

    CONFIRMED = auto()
    UNROUTABLE = auto()
    UNSENDABLE = auto()
    """It cannot be put into frames."""
    REFUSED = auto()
    """The broker does not take it now: a negative acknowledgement."""


LANDED = {Word.CONFIRMED: Landed.CONFIRMED, Word.RETURNED: Landed.UNROUTABLE, Word.REFUSED: Landed.REFUSED}
News = tuple[Publication, Landed, str]
"""What became of a publication, and why if that says more."""
Tell = Callable[[Publication, Landed, str], None]


class ChannelEnded(ConnectionError):
    """The broker or the library closed the channel before everything was confirmed."""

    def __init__(self, why: BaseException | None) -> None:
        super().__init__(f"the channel was closed before the broker confirmed: {why}")


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
        """Raise ChannelEnded if the channel is closed: of what is in flight nobody will hear."""
        if self._channel.is_closed:
            raise ChannelEnded(self.ended_by)

    @property
    def ended_by(self) -> BaseException | None:
        """Why the channel is closed, if the broker said it."""
        closing = self._closing
        return closing.exception() if closing.done() and not closing.cancelled() else None

    async def close(self) -> None:
        """Close the channel; what is in flight on it lands nowhere."""
        await self._channel.close()

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
