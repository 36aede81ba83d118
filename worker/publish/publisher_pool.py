"""The channels over which one lane of the relay publishes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiormq.abc import AbstractConnection

from distribution.store.outbox import Publication
from worker.publish.publisher import Landed, News, Publisher

CHANNEL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """Where to publish to; `mandatory` asks that some queue takes each message."""

    exchange: str
    mandatory: bool


class PublisherPool:
    """Publishes over the newest of its channels; `signal` is set when there is news or a channel ended.

    A channel that has something on it which is never confirmed is left for a new one: two publications of one id must
    never be in flight on one channel, and what is kept for it in the broker should not grow.
    """

    def __init__(self, connection: AbstractConnection, target: PublishTarget, signal: asyncio.Event) -> None:
        self._connection, self._target, self._signal = connection, target, signal
        self._publishers: list[Publisher] = []
        self._news: list[News] = []
        self.channel = 0
        """The number of the newest channel."""

    @classmethod
    async def open(
        cls, connection: AbstractConnection, target: PublishTarget, signal: asyncio.Event
    ) -> "PublisherPool":
        """One with its first channel."""
        window = cls(connection, target, signal)
        await window._open_channel()
        return window

    async def send(self, publications: Sequence[Publication]) -> None:
        """Put them on their way, in order; raises ChannelEnded."""
        if publications:
            await self._publishers[-1].send(publications)

    def take_news(self) -> list[News]:
        """What became of publications since the last time."""
        news, self._news = self._news, []
        return news

    def check(self) -> None:
        """Raise ChannelEnded if a channel is closed."""
        for publisher in self._publishers:
            publisher.check()

    def ended_by(self) -> list[BaseException]:
        """What was said when channels and the connection ended."""
        closing = self._connection.closing
        said = [publisher.ended_by for publisher in self._publishers]
        said.append(closing.exception() if closing.done() and not closing.cancelled() else None)
        return [why for why in said if why is not None]

    async def change_channel(self) -> None:
        """Go on with a new channel. The one before is kept, so that what is in flight on it can land; others close."""
        async with asyncio.timeout(CHANNEL_SECONDS):
            await self._open_channel()
            while len(self._publishers) > 2:
                await self._publishers.pop(0).close()

    async def close(self) -> None:
        """Close the channels that are still open; raises TimeoutError if that takes too long."""
        async with asyncio.timeout(CHANNEL_SECONDS):
            while self._publishers:
                await self._publishers.pop().close()

    async def _open_channel(self) -> None:
        ended = self._signal.set
        publisher = await Publisher.open(
            self._connection, self._target.exchange, self._tell, ended, mandatory=self._target.mandatory
        )
        self._publishers.append(publisher)
        self.channel += 1

    def _tell(self, publication: Publication, landed: Landed, why: str) -> None:
        """What the publishers call; the rest is done outside the client library's reader."""
        self._news.append((publication, landed, why))
        self._signal.set()
