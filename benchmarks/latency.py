"""From a bot's publish to the event at a subscriber: sent at a fixed rate, however busy the candidate is.

The latency of a message counts from when it was due, so that a delayed sender hides nothing.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice, product

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from benchmarks.environment import BenchmarkRun, Candidate, Environment
from benchmarks.wait_until import TICK_SECONDS, until
from benchmarks.workload import Message, Size, make_messages
from worker.broker.aiormq_channels import ConsumingChannel, PublishingChannel
from worker.broker.publish_result import PublishResult

LATE_SECONDS = 0.01
IN_FLIGHT = 500
WARM_UP = 500


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds at a rate of messages per second, one round. `load`: the rate as a fraction of our capacity.

    `late`: how many were sent more than 10 ms after they were due.
    """

    candidate: str
    rate: float
    load: float
    messages: int
    p50: float
    p95: float
    p99: float
    late: int


@dataclass
class Clients:
    """A bot and a subscriber of one candidate. Times are of the event loop's clock."""

    run: BenchmarkRun
    publishing: PublishingChannel[str] = field(init=False)
    confirmed: int = 0
    sent: int = 0
    heard: dict[str, float] = field(default_factory=dict)

    async def open(self, connection: aiormq.Connection) -> None:
        """Open the channels and start consuming events."""
        self.publishing = await PublishingChannel(connection, self._confirm).opened()
        consuming = await ConsumingChannel(connection).opened()
        await consuming.basic_consume(self.run.events, self._hear, no_ack=True)

    async def send(self, batch: list[Message]) -> None:
        """Publish a batch."""
        publish = Basic.Publish(exchange=self.run.topology.contacts, routing_key="contact.submit.bench")
        frames = [
            (self.publishing.marshal(publish, message.properties, message.body), message.message_id, message.message_id)
            for message in batch
        ]
        self.sent += len(batch)
        await self.publishing.send(frames)

    async def until_heard(self, number: int) -> None:
        """Wait until `number` events have arrived."""
        await until(lambda: len(self.heard) >= number)

    def _confirm(self, _message_id: str, _result: PublishResult) -> None:
        self.confirmed += 1

    async def _hear(self, message: DeliveredMessage) -> None:
        key = message.header.properties.correlation_id or ""
        self.heard.setdefault(key, asyncio.get_running_loop().time())


@asynccontextmanager
async def warm_clients(
    environment: Environment, candidate: Candidate, size: Size, template: str = ""
) -> AsyncIterator[Clients]:
    """The clients of a running candidate after a warm-up."""
    async with environment.run(candidate, size, template) as run, aiormq.connect(environment.broker.url) as connection:
        clients = Clients(run)
        await clients.open(connection)
        await run.start()
        await clients.send(list(make_messages(Size(WARM_UP, sources=size.sources), seed=99)))
        await clients.until_heard(WARM_UP)
        yield clients
        await run.stop()


async def capacity(clients: Clients, size: Size, seconds: float) -> float:
    """Messages per second with bot and subscriber beside the candidate: as fast as the events arrive."""
    loop, messages = asyncio.get_running_loop(), make_messages(size, seed=7)
    begun, before = loop.time(), len(clients.heard)
    while loop.time() < begun + seconds:
        room = IN_FLIGHT * 4 - (clients.sent - len(clients.heard))
        if room > IN_FLIGHT:
            await clients.send(list(islice(messages, IN_FLIGHT)))
        await asyncio.sleep(TICK_SECONDS)
    per_second = (len(clients.heard) - before) / (loop.time() - begun)
    await clients.until_heard(clients.sent)
    return per_second


async def measure(clients: Clients, rate: float, size: Size, seed: int, load: float = 0.0) -> Latency:
    """Send `size.messages` at a rate and wait for all their events."""
    loop = asyncio.get_running_loop()
    messages = list(make_messages(size, seed))
    begun, sent, late = loop.time(), 0, 0
    while sent < len(messages):
        due = min(len(messages), int((loop.time() - begun) * rate) + 1)
        if due > sent:
            now = loop.time()
            late += sum(now - (begun + number / rate) > LATE_SECONDS for number in range(sent, due))
            await clients.send(messages[sent:due])
            sent = due
        await asyncio.sleep(TICK_SECONDS)
    await clients.until_heard(clients.sent)
    waits = [
        (clients.heard[message.message_id] - (begun + number / rate)) * 1000 for number, message in enumerate(messages)
    ]
    cuts = statistics.quantiles(waits, n=100)
    return Latency(clients.run.candidate.name, rate, load, len(waits), cuts[49], cuts[94], cuts[98], late)


async def beside_the_ceiling(
    environment: Environment,
    ours: Sequence[Candidate],
    ceiling: Candidate,
    loads: Sequence[float],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Latency]:
    """Ours at fractions of its capacity with bot and subscriber on the same machine; the ceiling at the same rates."""
    capacities = {}
    for candidate in ours:
        async with warm_clients(environment, candidate, Size()) as clients:
            capacities[candidate] = await capacity(clients, Size(messages=10**9), seconds)
        say(f"{candidate.name}: {capacities[candidate]:.0f}/s with bot and subscriber beside it")
    latencies = []
    for round_, candidate, load in product(range(rounds), ours, loads):
        rate = capacities[candidate] * load
        for measured in (candidate, ceiling):
            async with warm_clients(environment, measured, Size()) as clients:
                last = await measure(clients, rate, Size(int(rate * seconds)), seed=11 + round_, load=load)
            latencies.append(last)
            numbers = f"p50 {last.p50:7.1f} p95 {last.p95:7.1f} p99 {last.p99:7.1f} ms"
            say(f"round {round_ + 1}: {measured.name:20} {rate:6.0f}/s {numbers}")
    return latencies
