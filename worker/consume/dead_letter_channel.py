"""Takes messages from contacts.dead, few enough at once for any memory, and says why they are there."""

from collections.abc import Sequence

from aiormq.abc import DeliveredMessage, GetResultType
from pamqp import commands as spec
from pamqp.header import ContentHeader

from distribution.intake.process_commands import DecodedMessage
from distribution.intake.sender_rules import SenderRules
from distribution.messages import WHOLE_BYTES
from worker.broker.channels import ConsumingChannel, Delivery
from worker.broker.topology import Topology
from worker.consume.death_reason import death_reason
from worker.consume.delivery_conversion import incoming_of

MOST_MESSAGES, MOST_BYTES = 100, WHOLE_BYTES


class DeadLetterChannel(ConsumingChannel):
    """A channel to get dead messages with."""

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
        body, digest = await self._read_body(header.body_size)
        return Delivery(frame, header, body, self, 0, digest)


def given_up(delivery: DeliveredMessage, topology: Topology, rules: SenderRules) -> DecodedMessage:
    """A dead message with the reason why it is dead; its body is not decoded, since it may be what ended a worker."""
    message = rules.addressed(incoming_of(delivery))
    return DecodedMessage(message, death_reason(message, topology.inbound, topology.dead))
