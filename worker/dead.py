"""Takes messages from contacts.dead, few enough at once for any memory, and says why they are there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

from aiormq.abc import AbstractConnection, DeliveredMessage, GetResultType
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from distribution.messages import CUT_BYTES, WHOLE_BYTES
from distribution.services.process import Arrival
from distribution.services.senders import SenderRules
from worker.channels import ConsumingChannel
from worker.consumer import incoming
from worker.deaths import undelivered
from worker.topology import Topology

MOST_MESSAGES, MOST_BYTES = 100, WHOLE_BYTES


@dataclass(frozen=True)
class CutMessage(DeliveredMessage):
    """A delivery with the beginning of its body alone, and the SHA-256 of all of it."""

    digest: bytes


class DeadChannel(ConsumingChannel):
    """A channel to get dead messages with; of bodies over `whole_bytes` it keeps only the beginning."""

    whole_bytes = WHOLE_BYTES

    @classmethod
    async def of(cls, connection: AbstractConnection, max_message_bytes: int) -> Self:
        """A new one of a connection; what could be processed comes whole."""
        channel = await cls.on(connection)
        channel.whole_bytes = max(WHOLE_BYTES, max_message_bytes)
        return channel

    async def take(self, queue: str) -> list[DeliveredMessage]:
        """Some messages of the queue, until they are many or large; nothing if it is empty."""
        taken: list[DeliveredMessage] = []
        size = 0
        while len(taken) < MOST_MESSAGES and size < MOST_BYTES:
            delivery = await self.basic_get(queue)
            if delivery.delivery_tag is None:
                break
            taken.append(delivery)
            size += len(delivery.body)
        return taken

    async def settle(self, taken: Sequence[DeliveredMessage]) -> None:
        """Acknowledge what was taken last, and with it all that was taken before on this channel."""
        await self.basic_ack(taken[-1].delivery_tag or 0, multiple=True)

    async def _read_content(
        self, frame: spec.Basic.Deliver | spec.Basic.Return | GetResultType, header: ContentHeader
    ) -> DeliveredMessage:
        if header.body_size <= self.whole_bytes:
            return await super()._read_content(frame, header)
        kept, digest, seen = bytearray(), sha256(), 0
        while seen < header.body_size:
            content = await self._get_frame()
            if not isinstance(content, ContentBody):
                raise TypeError(f"the broker sent {type(content).__name__} instead of a message's body")
            kept += content.value[: CUT_BYTES - len(kept)]
            digest.update(content.value)
            seen += len(content.value)
        return CutMessage(frame, header, bytes(kept), self, digest.digest())


def given_up(delivery: DeliveredMessage, topology: Topology, rules: SenderRules) -> Arrival:
    """A dead message with the reason why it is dead; its body is not decoded, since it may be what ended a worker."""
    message = rules.addressed(incoming(delivery))
    if isinstance(delivery, CutMessage):
        message = replace(message, body_size=delivery.header.body_size, body_digest=delivery.digest)
    return Arrival(message, undelivered(message, topology.inbound, topology.dead))
