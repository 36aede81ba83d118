"""Channels below the client library's conveniences, which cost more than all the rest of the way of a message.

The library makes a task for each delivery, and a lock, three futures and a write for each publication. Here a delivery
is awaited where it is read, and publications go out in one write and are remembered by their delivery tag alone.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import count, takewhile
from typing import Generic, TypeVar

import aiormq
import pamqp.frame
from aiormq.abc import AbstractConnection, ChannelFrame, ConfirmationFrameType
from pamqp import commands as spec
from pamqp.header import ContentHeader

FIRST_TAG = FIRST_NUMBER = 1
T = TypeVar("T")


class Word(Enum):
    """What the broker says of a message."""

    CONFIRMED = auto()
    RETURNED = auto()
    """No queue takes it."""
    REFUSED = auto()
    """A negative acknowledgement."""


class ConsumingChannel(aiormq.Channel):
    """A channel whose consumers are called one delivery after the other; they must not wait for anything."""

    @classmethod
    async def on(cls, connection: AbstractConnection) -> "ConsumingChannel":
        """A new one of a connection."""
        channel = cls(connection, _free_number(connection), publisher_confirms=False)
        await _open(channel)
        return channel

    async def _on_deliver_frame(self, frame: spec.Basic.Deliver) -> None:
        message = await self._read_content(frame, await _header(self))
        consumer = self.consumers.get(frame.consumer_tag or "")
        if consumer is not None:
            await consumer(message)


class PublishingChannel(aiormq.Channel, Generic[T]):
    """A channel with confirms: `heard` is told what the broker says of each message that was sent.

    Two messages of one message_id must never be in flight here: the broker tells a returned one by it.
    """

    def __init__(self, connection: AbstractConnection, heard: Callable[[T, Word], None]) -> None:
        super().__init__(connection, _free_number(connection), publisher_confirms=True)
        self._heard = heard
        self._next_tag = FIRST_TAG
        self._in_flight: dict[int, tuple[str | None, T]] = {}
        self._returned: set[str | None] = set()

    @classmethod
    async def on(cls, connection: AbstractConnection, heard: Callable[[T, Word], None]) -> "PublishingChannel[T]":
        """A new one of a connection."""
        channel = cls(connection, heard)
        await _open(channel)
        return channel

    def marshal(self, publish: spec.Basic.Publish, properties: spec.Basic.Properties, body: bytes) -> bytes:
        """A message in frames; raises ValueError, TypeError or OverflowError where it cannot be one."""
        header = ContentHeader(properties=properties, body_size=len(body))
        frames = [pamqp.frame.marshal(frame, self.number) for frame in (publish, header)]
        frames += [pamqp.frame.marshal(part, self.number) for part in self._split_body(body)]
        return b"".join(frames)

    async def send(self, messages: Sequence[tuple[bytes, str | None, T]]) -> None:
        """Write messages (frames, message_id, what `heard` is told) at once; what becomes of them is heard later."""
        for _, message_id, about in messages:
            self._in_flight[self._next_tag] = message_id, about
            self._next_tag += 1
        payload = b"".join([frames for frames, _, _ in messages])
        await self.write_queue.put(ChannelFrame(payload=payload, should_close=False))

    async def _on_return_frame(self, frame: spec.Basic.Return) -> None:
        returned = await self._read_content(frame, await _header(self))
        self._returned.add(returned.header.properties.message_id)

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        last = frame.delivery_tag or 0
        multiple = not isinstance(frame, spec.Basic.Reject) and frame.multiple
        tags = list(takewhile(lambda tag: tag <= last, self._in_flight)) if multiple else [last]
        for tag in tags:
            message_id, about = self._in_flight.pop(tag)
            if not isinstance(frame, spec.Basic.Ack):
                self._heard(about, Word.REFUSED)
            elif message_id in self._returned:
                self._returned.remove(message_id)
                self._heard(about, Word.RETURNED)
            else:
                self._heard(about, Word.CONFIRMED)


def _free_number(connection: AbstractConnection) -> int:
    return next(number for number in count(FIRST_NUMBER) if number not in connection.channels)


async def _open(channel: aiormq.Channel) -> None:
    channel.connection.channels[channel.number] = channel
    await channel.open()


async def _header(channel: aiormq.Channel) -> ContentHeader:
    _, frame = await channel.frames.get()
    channel.frames.task_done()
    if not isinstance(frame, ContentHeader):
        raise TypeError(f"the broker sent {type(frame).__name__} instead of a message's header")
    return frame
