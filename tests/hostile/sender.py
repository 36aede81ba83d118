"""Puts messages onto the wire with the bytes they have: a client library would mend or refuse some of them."""

import pamqp.frame
from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.hostile.generator import GARBLE, FuzzedMessage

FRAME_BYTES = 100_000


async def send(channel: AbstractChannel, exchange: str, letter: FuzzedMessage) -> None:
    """Send one message; nobody confirms it."""
    assert isinstance(channel, Channel)
    await channel.write_queue.put(ChannelFrame(payload=framed(channel.number, exchange, letter), should_close=False))


def framed(number: int, exchange: str, letter: FuzzedMessage) -> bytes:
    """The frames of a message, with what GARBLE stands for."""
    method = pamqp.frame.marshal(Basic.Publish(exchange=exchange, routing_key=letter.routing_key), number)
    header = pamqp.frame.marshal(ContentHeader(properties=letter.properties, body_size=len(letter.body)), number)
    header = header.replace(GARBLE.encode(), b"\xff" * len(GARBLE))
    parts = [letter.body[at : at + FRAME_BYTES] for at in range(0, len(letter.body), FRAME_BYTES)]
    return method + header + b"".join(pamqp.frame.marshal(ContentBody(part), number) for part in parts)
