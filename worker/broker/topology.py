"""Every exchange, queue and binding, as the contract has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused  # aio-pika does not export it
from pamqp.common import FieldValue

from distribution.errors import DistributionError

DELIVERY_LIMIT = 20


class TopologyMismatch(DistributionError):
    """The broker has one of our objects with other arguments; trying again would not help."""

    code = "topology_mismatch"


class NotSetUp(ConnectionError):
    """The broker lacks one of our objects, or does not let us declare it; a person can change that while we wait."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"exchange {self.name}"

    async def declare(self, channel: AbstractChannel) -> None:
        """Make it, unless it is there."""
        await channel.declare_exchange(self.name, self.kind, durable=True)

    async def look(self, channel: AbstractChannel) -> None:
        """Raise ChannelNotFoundEntity, which ends the channel, unless it is there."""
        await channel.get_exchange(self.name)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the exchange it hangs on, with `#` for a key."""

    name: str
    exchange: str
    arguments: Mapping[str, FieldValue]

    def __str__(self) -> str:
        return f"queue {self.name}"

    async def declare(self, channel: AbstractChannel) -> None:
        """Make it and bind it, unless that is so."""
        queue = await channel.declare_queue(self.name, durable=True, arguments=dict(self.arguments))
        await queue.bind(self.exchange, routing_key="#")

    async def look(self, channel: AbstractChannel) -> AbstractQueue:
        """The queue, counted; raises ChannelNotFoundEntity, which ends the channel, unless it is there."""
        return await channel.get_queue(self.name)


@dataclass(frozen=True, slots=True)
class Topology:
    """Names and arguments of everything the worker needs, behind a prefix.

    `declares`: whether the worker makes what is missing, or only looks (BROKER_DECLARE).
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
        return [*queues, self.log_queue] if self.log_queue else queues

    @property
    def log_queue(self) -> Queue | None:
        """The stream, unless there is to be none. An argument stands in it only if its setting does.

        A broker takes a declaration only with the very arguments that a queue was made with: a new default here would
        stop every worker whose log is older.
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
        """All of them, in the order of declaring."""
        return [*self.exchanges(), *self.queues()]

    def needed(self) -> list[Exchange | Queue]:
        """What taking and publishing cannot do without: everything but the log, which a broker may recover for long."""
        return [each for each in self.objects() if each.name != self.log]


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Declare everything, or look whether it is there; what is there already stays.

    Raises as `declare_each` does.
    """
    await declare_each(channel, topology.objects(), declares=topology.declares)


async def declare_needed(connection: AbstractConnection, topology: Topology) -> None:
    """Declare all but the log, or look whether it is there, on a channel for this alone.

    Raises as `declare_each` does.
    """
    channel = await connection.channel(publisher_confirms=False)
    await declare_each(channel, topology.needed(), declares=topology.declares)
    await channel.close()


async def declare_each(channel: AbstractChannel, objects: Iterable[Exchange | Queue], *, declares: bool) -> None:
    """Declare some, or look whether they are there.

    Raises TopologyMismatch, naming the argument that differs, and NotSetUp, naming what is missing or forbidden.
    """
    for each in objects:
        try:
            if declares:
                await each.declare(channel)
            else:
                await each.look(channel)
        except ChannelPreconditionFailed as refused:
            raise TopologyMismatch(f"The broker has it otherwise: {_said(refused)}") from None
        except ChannelAccessRefused as refused:
            raise NotSetUp(
                f"The broker does not let this user declare the {each} ({_said(refused)}). Let it configure that, or"
                " create everything yourself (docs/operations.md) and set BROKER_DECLARE=false."
            ) from None
        except ChannelNotFoundEntity as missing:
            if declares:
                raise
            raise NotSetUp(missing_in_words(str(each))) from missing


def missing_in_words(name: str) -> str:
    """What to do about an object that the worker does not declare."""
    return (
        f"The broker has no {name}. Create it (docs/operations.md), or let the worker do that: BROKER_DECLARE=true,"
        " with a user who may configure it."
    )


def _said(refused: AMQPError) -> str:
    return str(refused.args[-1] if refused.args else refused).split(" - ", 1)[-1]
