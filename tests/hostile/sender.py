"""Writes messages to the connection byte for byte: a client library would correct or refuse some of them."""

import pamqp.frame
from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.hostile.generator import GARBLE, FuzzedMessage

FRAME_BYTES = 100_000


async def send(channel: AbstractChannel, exchange: str, message: FuzzedMessage) -> None:
    """Send one message, without a confirm."""
    assert isinstance(channel, Channel)
    await channel.write_queue.put(ChannelFrame(payload=framed(channel.number, exchange, message), should_close=False))


def framed(number: int, exchange: str, message: FuzzedMessage) -> bytes:
    """The frames of a message, with GARBLE replaced by bytes that are not UTF-8."""
    method = pamqp.frame.marshal(Basic.Publish(exchange=exchange, routing_key=message.routing_key), number)
    header = pamqp.frame.marshal(ContentHeader(properties=message.properties, body_size=len(message.body)), number)
    header = header.replace(GARBLE.encode(), b"\xff" * len(GARBLE))
    parts = [message.body[at : at + FRAME_BYTES] for at in range(0, len(message.body), FRAME_BYTES)]
    return method + header + b"".join(pamqp.frame.marshal(ContentBody(part), number) for part in parts)
