"""What becomes of messages that were published: the replies to them."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from aiormq.abc import AbstractChannel, DeliveredMessage

from distribution.events import PARKED

REPLY_TO = "amq.rabbitmq.reply-to"
"""The broker's own way to reply: it takes no queue, and no right to make one."""


class Replies:
    """Hears the outcome of each message that was published on a channel with `reply_to` REPLY_TO.

    Messages are told apart by their correlation_id, since several may have one key.
    """

    def __init__(self, broker: AbstractChannel) -> None:
        self._broker = broker
        self._heard: dict[str, Mapping[str, Any]] = {}
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Begin to hear; to be called before anything is published."""
        await self._broker.basic_consume(REPLY_TO, self._hear, no_ack=True)

    async def wait_for(self, correlation_ids: Iterable[str], seconds: float) -> dict[str, Mapping[str, Any]]:
        """The outcomes, once all are there or nothing was heard for so long. ConnectionError: none can come."""
        missing = set(correlation_ids)
        while missing := missing - self._heard.keys():
            self._news.clear()
            waiting = asyncio.ensure_future(self._news.wait())
            done, _ = await asyncio.wait(
                {waiting, self._broker.closing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            if self._broker.closing in done:
                raise ConnectionError("the connection was lost; the messages are published")
            if not done:
                break
        return self._heard

    async def _hear(self, delivery: DeliveredMessage) -> None:
        self._heard[str(delivery.header.properties.correlation_id)] = orjson.loads(delivery.body)
        self._news.set()


def describe_reply(outcome: Mapping[str, Any]) -> str:
    """An outcome in one line."""
    data = outcome["data"]
    if outcome["type"] == PARKED:
        return f"parked as {data['code']}: {data['detail']}"
    operator = f" → {data['operator']['name']}" if data["operator"] else ""
    reason = f" ({data['reason']})" if data["reason"] else ""
    return f"{outcome['type']}{operator}{reason} {outcome['subject']}"


def is_parked(outcome: Mapping[str, Any]) -> bool:
    """Whether the message was parked."""
    return bool(outcome["type"] == PARKED)
