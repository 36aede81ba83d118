"""Publishes to one exchange over one connection, and collects the result of each publication."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiormq.abc import AbstractConnection
from pamqp import commands as spec

from distribution.ids import time_of
from distribution.messages import CLOUDEVENTS_TYPE
from distribution.store.outbox import Publication
from worker.broker.aiormq_channels import PublishingChannel
from worker.broker.publish_result import PublishResult
from worker.publish.outbox_buffer import Report

CHANNEL_SECONDS = 5.0
PERSISTENT = 2
UNSENDABLE = (ValueError, TypeError, OverflowError)
"""Errors that the client library raises before it sends anything."""


class ChannelEnded(ConnectionError):
    """The broker or the library closed the channel before everything was confirmed."""

    def __init__(self, reason: BaseException | None) -> None:
        super().__init__(f"the channel was closed before the broker confirmed: {reason}")


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """The exchange to publish to; `mandatory`: unroutable messages are returned."""

    exchange: str
    mandatory: bool


class Publisher:
    """Publishes over the newest of its channels; `signal` is set when there are results or a channel ended.

    A channel with publications that are never confirmed is replaced: two publications with one id must never be in
    flight on one channel, and what the broker keeps for them should not grow.
    """

    def __init__(self, connection: AbstractConnection, target: PublishTarget, signal: asyncio.Event) -> None:
        self._connection, self._target, self._signal = connection, target, signal
        self._channels: list[PublishingChannel[Publication]] = []
        self._reports: list[Report] = []
        self.channel = 0
        """The number of the newest channel."""

    @classmethod
    async def open(cls, connection: AbstractConnection, target: PublishTarget, signal: asyncio.Event) -> "Publisher":
        """Create a publisher with its first channel."""
        publisher = cls(connection, target, signal)
        await publisher._open_channel()
        return publisher

    async def send(self, publications: Sequence[Publication]) -> None:
        """Send in order; raises ChannelEnded.

        The caller decides how long to wait for confirmations: a broker that blocks publishers sends none.
        """
        channel = self._channels[-1]
        _check(channel)
        ready = []
        for publication in publications:
            try:
                ready.append((self._frames(channel, publication), publication.message_id, publication))
            except UNSENDABLE as unsendable:
                self._report(publication, PublishResult.UNPUBLISHABLE, str(unsendable))
        if ready:
            await channel.send(ready)

    def take_reports(self) -> list[Report]:
        """The results since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def check(self) -> None:
        """Raise ChannelEnded if a channel is closed: what is in flight on it gets no result."""
        for channel in self._channels:
            _check(channel)

    def ended_by(self) -> list[BaseException]:
        """The reasons given for the end of channels and of the connection."""
        closings = [*(channel.closing for channel in self._channels), self._connection.closing]
        return [reason for closing in closings if (reason := _reason(closing)) is not None]

    async def change_channel(self) -> None:
        """Go on with a new channel. The previous one stays, so that what is in flight on it is still confirmed."""
        async with asyncio.timeout(CHANNEL_SECONDS):
            await self._open_channel()
            while len(self._channels) > 2:
                await self._channels.pop(0).close()

    async def close(self) -> None:
        """Close the channels that are still open; raises TimeoutError if that takes too long."""
        async with asyncio.timeout(CHANNEL_SECONDS):
            while self._channels:
                await self._channels.pop().close()

    async def _open_channel(self) -> None:
        channel = await PublishingChannel(self._connection, self._report).opened()
        channel.closing.add_done_callback(lambda _: self._signal.set())
        self._channels.append(channel)
        self.channel += 1

    def _report(self, publication: Publication, result: PublishResult, reason: str = "") -> None:
        """Called by the client library's reader, so it only records the result."""
        self._reports.append((publication, result, reason))
        self._signal.set()

    def _frames(self, channel: PublishingChannel[Publication], publication: Publication) -> bytes:
        publish = spec.Basic.Publish(
            exchange=self._target.exchange, routing_key=publication.routing_key, mandatory=self._target.mandatory
        )
        return channel.marshal(publish, _properties(publication), publication.body)


def _check(channel: PublishingChannel[Publication]) -> None:
    if channel.is_closed:
        raise ChannelEnded(_reason(channel.closing))


def _reason(closing: "asyncio.Future[object]") -> BaseException | None:
    """Why a channel or connection is closed, if the broker gave a reason."""
    return closing.exception() if closing.done() and not closing.cancelled() else None


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
