"""Every exchange, queue and binding, as the contract has them."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldValue

from distribution.errors import DistributionError

DELIVERY_LIMIT = 20


class TopologyMismatch(DistributionError):
    """The broker has one of our objects with other arguments; trying again would not help."""

    code = "topology_mismatch"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the exchange it hangs on, with `#` for a key."""

    name: str
    exchange: str
    arguments: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class Topology:
    """Names and arguments of everything the worker needs, behind a prefix."""

    prefix: str
    event_log_max_age: str

    @property
    def contacts(self) -> str:
        """The exchange that bots publish to."""
        return f"{self.prefix}contacts"

    @property
    def inbound(self) -> str:
        """The queue that workers consume."""
        return f"{self.prefix}contacts.inbound.v1"

    @property
    def dead(self) -> str:
        """The broker's own last resort."""
        return f"{self.prefix}contacts.dead"

    @property
    def assignments(self) -> str:
        """The exchange that events leave through."""
        return f"{self.prefix}assignments"

    @property
    def log(self) -> str:
        """The stream that remembers the last days' events."""
        return f"{self.prefix}assignments.log"

    def exchanges(self) -> list[Exchange]:
        """All exchanges."""
        return [Exchange(self.contacts, "topic"), Exchange(self.dead, "fanout"), Exchange(self.assignments, "topic")]

    def queues(self) -> list[Queue]:
        """All queues; the type always stands in the arguments, since no policy can set it."""
        inbound: dict[str, FieldValue] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead,
        }
        queues = [
            Queue(self.dead, self.dead, {"x-queue-type": "quorum"}),
            Queue(self.inbound, self.contacts, inbound),
        ]
        if self.event_log_max_age:
            arguments: dict[str, FieldValue] = {"x-queue-type": "stream", "x-max-age": self.event_log_max_age}
            queues.append(Queue(self.log, self.assignments, arguments))
        return queues


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Declare everything; what is there already stays. Raises TopologyMismatch, naming the argument that differs."""
    try:
        for exchange in topology.exchanges():
            await channel.exchange_declare(exchange.name, exchange_type=exchange.kind, durable=True)
        for queue in topology.queues():
            await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
            await channel.queue_bind(queue.name, queue.exchange, routing_key="#")
    except ChannelPreconditionFailed as refused:
        said = str(refused.args[-1] if refused.args else refused).removeprefix("PRECONDITION_FAILED - ")
        raise TopologyMismatch(f"The broker has it otherwise: {said}") from None
