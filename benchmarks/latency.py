"""From a bot's publish to the event at a subscriber: sent by the clock, whatever the contestant does meanwhile.

A message counts from the moment at which it was due, so that a sender that is held up hides nothing.
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
from benchmarks.workload import Message, Size, letters
from worker.broker.channels import ConsumingChannel, PublishingChannel
from worker.broker.publish_result import PublishResult

LATE_SECONDS = 0.01
IN_FLIGHT = 500
WARM_UP = 500


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds at a rate of messages per second, one round. `load`: the rate as a part of what ours does.

    `late`: how many were sent more than 10 ms after they were due.
    """

    contestant: str
    rate: float
    load: float
    messages: int
    p50: float
    p95: float
    p99: float
    late: int


@dataclass
class Clients:
    """A bot and a subscriber at one contestant. Moments are of the loop's clock."""

    ground: BenchmarkRun
    publishing: PublishingChannel[str] = field(init=False)
    confirmed: int = 0
    sent: int = 0
    heard: dict[str, float] = field(default_factory=dict)

    async def open(self, connection: aiormq.Connection) -> None:
        """Begin to listen."""
        self.publishing = await PublishingChannel[str].on(connection, self._confirm)
        consuming = await ConsumingChannel.on(connection)
        await consuming.basic_consume(self.ground.events, self._hear, no_ack=True)

    async def send(self, batch: list[Message]) -> None:
        """Publish."""
        publish = Basic.Publish(exchange=self.ground.topology.contacts, routing_key="contact.submit.bench")
        frames = [
            (self.publishing.marshal(publish, letter.properties, letter.body), letter.message_id, letter.message_id)
            for letter in batch
        ]
        self.sent += len(batch)
        await self.publishing.send(frames)

    async def until_heard(self, number: int) -> None:
        """Wait until so many events have come."""
        await until(lambda: len(self.heard) >= number)

    def _confirm(self, _message_id: str, _word: PublishResult) -> None:
        self.confirmed += 1

    async def _hear(self, message: DeliveredMessage) -> None:
        key = message.header.properties.correlation_id or ""
        self.heard.setdefault(key, asyncio.get_running_loop().time())


@asynccontextmanager
async def at_work(arena: Environment, contestant: Candidate, size: Size, template: str = "") -> AsyncIterator[Clients]:
    """A contestant that runs and is warm, and its clients."""
    async with arena.ground(contestant, size, template) as ground, aiormq.connect(arena.broker.url) as connection:
        clients = Clients(ground)
        await clients.open(connection)
        await ground.start()
        await clients.send(list(letters(Size(WARM_UP, sources=size.sources), seed=99)))
        await clients.until_heard(WARM_UP)
        yield clients
        await ground.stop()


async def capacity(clients: Clients, size: Size, seconds: float) -> float:
    """Messages per second with bot and subscriber beside the contestant: as fast as the events come back."""
    loop, source = asyncio.get_running_loop(), letters(size, seed=7)
    begun, before = loop.time(), len(clients.heard)
    while loop.time() < begun + seconds:
        room = IN_FLIGHT * 4 - (clients.sent - len(clients.heard))
        if room > IN_FLIGHT:
            await clients.send(list(islice(source, IN_FLIGHT)))
        await asyncio.sleep(TICK_SECONDS)
    per_second = (len(clients.heard) - before) / (loop.time() - begun)
    await clients.until_heard(clients.sent)
    return per_second


async def measure(clients: Clients, rate: float, size: Size, seed: int, load: float = 0.0) -> Latency:
    """Send `size.messages` at a rate and wait for all."""
    loop = asyncio.get_running_loop()
    all_letters = list(letters(size, seed))
    begun, sent, late = loop.time(), 0, 0
    while sent < len(all_letters):
        due = min(len(all_letters), int((loop.time() - begun) * rate) + 1)
        if due > sent:
            now = loop.time()
            late += sum(now - (begun + number / rate) > LATE_SECONDS for number in range(sent, due))
            await clients.send(all_letters[sent:due])
            sent = due
        await asyncio.sleep(TICK_SECONDS)
    await clients.until_heard(clients.sent)
    waits = [
        (clients.heard[letter.message_id] - (begun + number / rate)) * 1000 for number, letter in enumerate(all_letters)
    ]
    cuts = statistics.quantiles(waits, n=100)
    return Latency(clients.ground.contestant.name, rate, load, len(waits), cuts[49], cuts[94], cuts[98], late)


async def beside_the_ceiling(
    arena: Environment,
    ours: Sequence[Candidate],
    ceiling: Candidate,
    loads: Sequence[float],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Latency]:
    """Ours at parts of what it does with bot and subscriber on the same machine, and the ceiling at the same rates."""
    whole = {}
    for contestant in ours:
        async with at_work(arena, contestant, Size()) as clients:
            whole[contestant] = await capacity(clients, Size(messages=10**9), seconds)
        say(f"{contestant.name}: {whole[contestant]:.0f}/s with bot and subscriber beside it")
    found = []
    for round_, contestant, load in product(range(rounds), ours, loads):
        rate = whole[contestant] * load
        for each in (contestant, ceiling):
            async with at_work(arena, each, Size()) as clients:
                last = await measure(clients, rate, Size(int(rate * seconds)), seed=11 + round_, load=load)
            found.append(last)
            numbers = f"p50 {last.p50:7.1f} p95 {last.p95:7.1f} p99 {last.p99:7.1f} ms"
            say(f"round {round_ + 1}: {each.name:20} {rate:6.0f}/s {numbers}")
    return found
