"""Gets messages from contacts.dead, few enough at once to fit in memory, and the reason why they are there."""

from collections.abc import Iterable, Sequence

from aiormq.abc import DeliveredMessage, GetResultType
from pamqp import commands as spec
from pamqp.header import ContentHeader

from distribution.intake.process_commands import DecodedMessage
from distribution.messages import WHOLE_BYTES
from worker.broker.aiormq_channels import ConsumingChannel, Delivery
from worker.consume.death_reason import death_reason
from worker.consume.delivery_conversion import incoming_from_delivery
from worker.settings import WorkerSettings

MOST_MESSAGES, MOST_BYTES = 100, WHOLE_BYTES


class DeadLetterChannel(ConsumingChannel):
    """A channel that gets dead messages."""

    async def take(self, queue: str) -> list[DeliveredMessage]:
        """Get messages until they are many or large; an empty list if the queue is empty."""
        deliveries: list[DeliveredMessage] = []
        size = 0
        while len(deliveries) < MOST_MESSAGES and size < MOST_BYTES:
            delivery = await self.basic_get(queue)
            if delivery.delivery_tag is None:
                break
            deliveries.append(delivery)
            size += len(delivery.body)
        return deliveries

    async def settle(self, deliveries: Sequence[DeliveredMessage]) -> None:
        """Acknowledge these deliveries, and with them everything taken before on this channel."""
        await self.basic_ack(deliveries[-1].delivery_tag or 0, multiple=True)

    async def _read_content(
        self, frame: spec.Basic.Deliver | spec.Basic.Return | GetResultType, header: ContentHeader
    ) -> DeliveredMessage:
        body, digest = await self._read_body(header.body_size)
        return Delivery(frame, header, body, self, 0, digest)


def dead_letters(deliveries: Iterable[DeliveredMessage], settings: WorkerSettings) -> list[DecodedMessage]:
    """Dead messages with their death reasons; no body is decoded, since it may be what ended a worker."""
    rules, topology = settings.decoder.sender_rules, settings.topology
    messages = [rules.addressed(incoming_from_delivery(delivery)) for delivery in deliveries]
    return [DecodedMessage(message, death_reason(message, topology.inbound, topology.dead)) for message in messages]
