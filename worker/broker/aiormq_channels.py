"""Channels below the client library's conveniences, which cost more than all other processing of a message.

The library makes a task for each delivery, and a lock, three futures and a write for each publication. Here a delivery
is awaited where it is read, and many publications go out in one write, tracked by their delivery tags alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count, takewhile
from typing import Any, Generic, Self, TypeVar

import aiormq
import pamqp.frame
from aiormq.abc import AbstractConnection, ChannelFrame, ConfirmationFrameType, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from distribution.messages import CUT_BYTES, WHOLE_BYTES
from worker.broker.publish_result import PublishResult

FIRST_TAG = FIRST_NUMBER = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Delivery(DeliveredMessage):
    """A delivery with the size of its header on the wire.

    `body_digest`: the SHA-256 of the whole body, if `body` is only its beginning.
    """

    header_bytes: int
    body_digest: bytes | None


class FrameQueue(asyncio.Queue[Any]):
    """Frames of a channel. The connection, which reads them for all channels, waits while there is no room.

    Meanwhile nothing is read from the socket, not even the broker's responses, so this must not last.
    """

    def __init__(self, room: asyncio.Event) -> None:
        super().__init__()
        self._room = room

    async def put(self, item: Any) -> None:
        """Wait for room first; called only by the connection's reader."""
        await self._room.wait()
        self.put_nowait(item)


class OwnChannel(aiormq.Channel):
    """A channel that exists on the broker once `opened` was awaited."""

    def __init__(self, connection: AbstractConnection, *, publisher_confirms: bool) -> None:
        number = next(number for number in count(FIRST_NUMBER) if number not in connection.channels)
        super().__init__(connection, number, publisher_confirms=publisher_confirms)

    async def opened(self) -> Self:
        """Open it, and return it."""
        self.connection.channels[self.number] = self
        await self.open()
        return self

    async def _sized_header(self) -> tuple[ContentHeader, int]:
        """A message's header and its size in bytes."""
        size, frame = await self.frames.get()
        self.frames.task_done()
        if not isinstance(frame, ContentHeader):
            raise TypeError(f"the broker sent {type(frame).__name__} instead of a message's header")
        return frame, size


class ConsumingChannel(OwnChannel):
    """A channel that awaits its consumers' callbacks one delivery after the other; they must not block.

    While `room` is clear, nothing is read. Of bodies above `whole_bytes` only the beginning is kept.
    """

    def __init__(self, connection: AbstractConnection, whole_bytes: int = WHOLE_BYTES) -> None:
        super().__init__(connection, publisher_confirms=False)
        self.room = asyncio.Event()
        self.room.set()
        self.frames = FrameQueue(self.room)
        self._whole_bytes = whole_bytes
        self._dropping = False

    async def acknowledge(self, tags: Sequence[int], *, multiple: bool) -> None:
        """Acknowledge in one write: each tag, or with `multiple` everything up to the last one."""
        acks = [spec.Basic.Ack(tag, multiple=multiple) for tag in (tags[-1:] if multiple else tags)]
        if self.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        payload = b"".join([pamqp.frame.marshal(ack, self.number) for ack in acks])
        await self.write_queue.put(ChannelFrame(payload=payload, should_close=False))

    def drop(self) -> None:
        """Discard what still arrives; the broker gets it back when the channel is closed."""
        self._dropping = True
        self.room.set()

    async def _on_deliver_frame(self, frame: spec.Basic.Deliver) -> None:
        header, header_bytes = await self._sized_header()
        body, digest = await self._read_body(header.body_size)
        consumer = self.consumers.get(frame.consumer_tag or "")
        if consumer is not None and not self._dropping:
            await consumer(Delivery(frame, header, body, self, header_bytes, digest))

    async def _read_body(self, size: int) -> tuple[bytes, bytes | None]:
        """Returns the body and None, or its beginning and the digest of the whole."""
        if size > self._whole_bytes or self._dropping:
            return await self._read_beginning(size)
        parts: list[bytes] = []
        left = size
        while left > 0:
            parts.append(await self._part())
            left -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts), None

    async def _read_beginning(self, size: int) -> tuple[bytes, bytes]:
        digest, beginning, left = sha256(), bytearray(), size
        while left > 0:
            part = await self._part()
            digest.update(part)
            beginning += part[: CUT_BYTES - len(beginning)]
            left -= len(part)
        return bytes(beginning), digest.digest()

    async def _part(self) -> bytes:
        frame = await self._get_frame()
        if not isinstance(frame, ContentBody):
            raise TypeError(f"the broker sent {type(frame).__name__} instead of a message's body")
        return frame.value


class PublishingChannel(OwnChannel, Generic[T]):
    """A channel with publisher confirms: `on_result` is called with the result of each message sent.

    Two messages with the same message_id must never be in flight here: it identifies a returned message.
    """

    def __init__(self, connection: AbstractConnection, on_result: Callable[[T, PublishResult], None]) -> None:
        super().__init__(connection, publisher_confirms=True)
        self._on_result = on_result
        self._next_tag = FIRST_TAG
        self._in_flight: dict[int, tuple[str | None, T]] = {}
        self._returned: set[str | None] = set()

    def marshal(self, publish: spec.Basic.Publish, properties: spec.Basic.Properties, body: bytes) -> bytes:
        """Encode a message as frames; raises ValueError, TypeError or OverflowError if that is impossible."""
        header = ContentHeader(properties=properties, body_size=len(body))
        frames = [pamqp.frame.marshal(frame, self.number) for frame in (publish, header)]
        frames += [pamqp.frame.marshal(part, self.number) for part in self._split_body(body)]
        return b"".join(frames)

    async def send(self, messages: Sequence[tuple[bytes, str | None, T]]) -> None:
        """Write messages (frames, message_id, argument for `on_result`) at once; the results come later."""
        for _, message_id, about in messages:
            self._in_flight[self._next_tag] = message_id, about
            self._next_tag += 1
        payload = b"".join([frames for frames, _, _ in messages])
        await self.write_queue.put(ChannelFrame(payload=payload, should_close=False))

    async def _on_return_frame(self, frame: spec.Basic.Return) -> None:
        header, _ = await self._sized_header()
        returned = await self._read_content(frame, header)
        self._returned.add(returned.header.properties.message_id)

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        last = frame.delivery_tag or 0
        multiple = not isinstance(frame, spec.Basic.Reject) and frame.multiple
        tags = list(takewhile(lambda tag: tag <= last, self._in_flight)) if multiple else [last]
        for tag in tags:
            message_id, about = self._in_flight.pop(tag)
            if not isinstance(frame, spec.Basic.Ack):
                self._on_result(about, PublishResult.REFUSED)
            elif message_id in self._returned:
                self._returned.remove(message_id)
                self._on_result(about, PublishResult.UNROUTABLE)
            else:
                self._on_result(about, PublishResult.CONFIRMED)
