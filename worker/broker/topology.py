"""Every exchange, queue and binding of the contract."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused  # aio-pika does not export it
from pamqp.common import FieldValue

from distribution.errors import DistributionError

DELIVERY_LIMIT = 20


class TopologyMismatch(DistributionError):
    """One of our objects exists with other arguments; retrying would not help."""


class NotSetUp(ConnectionError):
    """An object is missing, or we may not declare it; an operator can change that while the worker waits."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"exchange {self.name}"

    async def declare(self, channel: AbstractChannel) -> None:
        """Create it, unless it exists."""
        await channel.declare_exchange(self.name, self.kind, durable=True)

    async def look(self, channel: AbstractChannel) -> None:
        """Raise ChannelNotFoundEntity, which ends the channel, unless it exists."""
        await channel.get_exchange(self.name)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the exchange that it is bound to with the routing key `#`."""

    name: str
    exchange: str
    arguments: Mapping[str, FieldValue]

    def __str__(self) -> str:
        return f"queue {self.name}"

    async def declare(self, channel: AbstractChannel) -> None:
        """Create and bind it, unless that is done already."""
        queue = await channel.declare_queue(self.name, durable=True, arguments=dict(self.arguments))
        await queue.bind(self.exchange, routing_key="#")

    async def look(self, channel: AbstractChannel) -> AbstractQueue:
        """The queue with its message count; raises ChannelNotFoundEntity, which ends the channel, unless it exists."""
        return await channel.get_queue(self.name)


@dataclass(frozen=True, slots=True)
class Topology:
    """Names, with a prefix, and arguments of everything the worker needs.

    `declares`: whether the worker creates what is missing, or only checks (BROKER_DECLARE).
    """

    prefix: str
    event_log_max_age: str
    declares: bool = True
    event_log_max_bytes: int | None = None
    event_log_segment_bytes: int | None = None

    @property
    def contacts(self) -> str:
        """The exchange that bots publish to."""
        return f"{self.prefix}contacts"

    @property
    def inbound(self) -> str:
        """The queue that workers consume from."""
        return f"{self.prefix}contacts.inbound.v1"

    @property
    def dead(self) -> str:
        """The dead-letter exchange and its queue."""
        return f"{self.prefix}contacts.dead"

    @property
    def assignments(self) -> str:
        """The exchange that events are published to."""
        return f"{self.prefix}assignments"

    @property
    def log(self) -> str:
        """The stream that keeps the events of the last days."""
        return f"{self.prefix}assignments.log"

    def exchanges(self) -> list[Exchange]:
        """All exchanges."""
        return [Exchange(self.contacts, "topic"), Exchange(self.dead, "fanout"), Exchange(self.assignments, "topic")]

    def queues(self) -> list[Queue]:
        """All queues; the arguments always include the queue type, since no policy can set it."""
        inbound: dict[str, FieldValue] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead,
        }
        queues = [Queue(self.dead, self.dead, {"x-queue-type": "quorum"}), Queue(self.inbound, self.contacts, inbound)]
        return [*queues, self.log_queue] if self.log_queue else queues

    @property
    def log_queue(self) -> Queue | None:
        """The stream; None if there is to be none. It has only those arguments whose settings are set.

        A broker accepts a declaration only with the exact arguments that the queue was created with: a new default here
        would stop every worker whose log is older.
        """
        if not self.event_log_max_age:
            return None
        arguments: dict[str, FieldValue] = {"x-queue-type": "stream", "x-max-age": self.event_log_max_age}
        if self.event_log_max_bytes is not None:
            arguments["x-max-length-bytes"] = self.event_log_max_bytes
        if self.event_log_segment_bytes is not None:
            arguments["x-stream-max-segment-size-bytes"] = self.event_log_segment_bytes
        return Queue(self.log, self.assignments, arguments)

    def objects(self) -> list[Exchange | Queue]:
        """All exchanges and queues, in the order of declaration."""
        return [*self.exchanges(), *self.queues()]

    def needed(self) -> list[Exchange | Queue]:
        """What consuming and publishing require: all but the log, whose recovery in the broker may take long."""
        return [broker_object for broker_object in self.objects() if broker_object.name != self.log]


async def declare_needed(connection: AbstractConnection, topology: Topology) -> None:
    """Declare all but the log, or check that it exists, on a channel of its own. Raises as `declare_each`."""
    channel = await connection.channel(publisher_confirms=False)
    await declare_each(channel, topology.needed(), declares=topology.declares)
    await channel.close()


async def declare_each(channel: AbstractChannel, objects: Iterable[Exchange | Queue], *, declares: bool) -> None:
    """Declare these objects, or check that they exist; those that exist stay as they are.

    Raises TopologyMismatch, naming the argument that differs, and NotSetUp, naming what is missing or forbidden.
    """
    for broker_object in objects:
        try:
            if declares:
                await broker_object.declare(channel)
            else:
                await broker_object.look(channel)
        except ChannelPreconditionFailed as refused:
            raise TopologyMismatch(f"The broker has it otherwise: {_broker_text(refused)}") from None
        except ChannelAccessRefused as refused:
            raise NotSetUp(
                f"The broker does not let this user declare the {broker_object} ({_broker_text(refused)}). Let it"
                " configure that, or create everything yourself (docs/operations.md) and set BROKER_DECLARE=false."
            ) from None
        except ChannelNotFoundEntity as missing:
            if declares:
                raise
            raise NotSetUp(missing_in_words(str(broker_object))) from missing


def missing_in_words(name: str) -> str:
    """The error text for a missing object, with what to do about it."""
    return (
        f"The broker has no {name}. Create it (docs/operations.md), or let the worker do that: BROKER_DECLARE=true,"
        " with a user who may configure it."
    )


def _broker_text(refused: AMQPError) -> str:
    return str(refused.args[-1] if refused.args else refused).split(" - ", 1)[-1]
