"""The outcomes of published messages: the replies to them."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from distribution.events import PARKED
from worker.aio import first_of

REPLY_TO = "amq.rabbitmq.reply-to"
"""RabbitMQ's direct reply-to: it needs no queue, and no permission to create one."""


class Replies:
    """Receives the outcome of each message that was published on a channel with `reply_to` REPLY_TO.

    Messages are identified by their correlation_id, since several may have the same key.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._outcomes: dict[str, Mapping[str, Any]] = {}
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        """Start consuming; to be called before anything is published."""
        queue = await self._channel.get_queue(REPLY_TO, ensure=False)
        await queue.consume(self._on_reply, no_ack=True)

    async def wait_for(self, correlation_ids: Iterable[str], seconds: float) -> dict[str, Mapping[str, Any]]:
        """The outcomes, once all are there or none came for `seconds`. Raises ConnectionError if no more can come."""
        missing, closed = set(correlation_ids), asyncio.ensure_future(self._channel.closed())
        while missing := missing - self._outcomes.keys():
            self._changed.clear()
            await first_of(self._changed, closed, seconds=seconds)
            if closed.done():
                raise ConnectionError("the connection was lost; the messages are published")
            if not self._changed.is_set():
                break
        return self._outcomes

    async def _on_reply(self, reply: AbstractIncomingMessage) -> None:
        self._outcomes[str(reply.correlation_id)] = orjson.loads(reply.body)
        self._changed.set()


def describe_reply(outcome: Mapping[str, Any]) -> str:
    """An outcome in one line."""
    data = outcome["data"]
    if outcome["type"] == PARKED:
        return f"parked as {data['code']}: {data['detail']}"
    return f"{outcome['type']}{operator_and_reason(data)} {outcome['subject']}"


def operator_and_reason(data: Mapping[str, Any]) -> str:
    """Who got the contact and why, as far as the data of an event or a reply says so."""
    operator = f" → {data['operator']['name']}" if data["operator"] else ""
    return f"{operator} ({data['reason']})" if data["reason"] else operator


def is_parked(outcome: Mapping[str, Any]) -> bool:
    """Whether the message was parked."""
    return bool(outcome["type"] == PARKED)
