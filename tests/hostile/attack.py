"""One run beside a worker: every message the broker took is settled, the worker lives, its memory stays flat."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import aiormq
import httpx2
import psutil
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.engine import reading
from distribution.store.tables import contacts, parked_messages
from tests.hostile.generator import Generator
from tests.hostile.sender import send
from worker.broker.topology import Topology

GROWTH = 1.25
"""The median of the last quarter over that of the second one; the first is still warming up."""
QUIET_LOOKS, PAUSE_SECONDS = 100, 0.2
"""How often nothing may have moved before that is taken for the end."""
AHEAD = 2_000


@dataclass
class Attack:
    """Sends `number` messages of a seed to a worker whose process and health pages are known."""

    amqp_url: str
    topology: Topology
    engine: AsyncEngine
    address: str
    pid: int
    number: int
    seed: int
    say: Callable[[str], None]
    memory: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    taken: int = 0

    async def run(self) -> list[str]:
        """Send all, wait until all is settled; returns what is wrong."""
        async with aiormq.connect(self.amqp_url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            # What the broker took: every message goes here too.
            counted = f"{self.topology.prefix}hostile.counted"
            await channel.queue_declare(counted, durable=True)
            await channel.queue_bind(counted, self.topology.contacts, routing_key="#")
            watching = asyncio.create_task(self._watch())
            try:
                await self._send(channel)
                await self._until_settled(channel, counted)
            finally:
                watching.cancel()
                await channel.queue_delete(counted)
        return await self._findings()

    async def _send(self, channel: aiormq.abc.AbstractChannel) -> None:
        generator = Generator(Random(self.seed))
        for letter in generator.letters(self.number):
            await send(channel, self.topology.contacts, letter)
            self.sent += 1
            while self.sent - self.outcomes.total() > AHEAD:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(PAUSE_SECONDS)

    async def _count(self, channel: aiormq.abc.AbstractChannel, counted: str) -> int:
        """What the broker took so far; a queue counts a moment after it was asked to take."""
        return (await channel.queue_declare(counted, passive=True)).message_count or 0

    async def _until_settled(self, channel: aiormq.abc.AbstractChannel, counted: str) -> None:
        quiet, before = 0, (-1, -1)
        while quiet < QUIET_LOOKS:
            self.taken = await self._count(channel, counted)
            now = self.taken, self.outcomes.total()
            quiet = quiet + 1 if now == before else 0
            before = now
            if min(now) >= self.number:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _watch(self) -> None:
        """Look at the worker's memory and its own count, for ever."""
        process, told = psutil.Process(self.pid), 0
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            while True:
                self.memory.append(process.memory_info().rss)
                self.outcomes = outcomes((await http.get(f"{self.address}/metrics")).text)
                if self.sent - told >= self.number / 20:
                    told = self.sent
                    self.say(f"sent {self.sent}, settled {self.outcomes.total()}, {self.memory[-1] >> 20} MiB")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _findings(self) -> list[str]:
        async with reading(self.engine) as conn:
            made = await conn.scalar(sa.select(sa.func.count()).select_from(contacts)) or 0
            attempts = await conn.scalar(sa.select(sa.func.sum(parked_messages.c.attempts))) or 0
        known = sum(self.outcomes[name] for name in ("repeated", "closed"))
        tried_again = self.outcomes["retried"]
        found = []
        if self.taken != self.number:
            found.append(f"the broker took {self.taken} of {self.number}")
        if made + attempts + known < self.taken or self.outcomes.total() - tried_again != self.taken:
            found.append(f"{made} contacts, {attempts} parked, {known} known: {self.taken} were taken")
        if failed := self.outcomes["parked_processing_failed"]:
            found.append(f"{failed} messages failed in processing: what a sender can send has a reason of its own")
        if self.growth() > GROWTH:
            found.append(f"memory grew by {self.growth():.2f}")
        return found

    def growth(self) -> float:
        """Median memory of the last quarter over that of the second."""
        quarter = len(self.memory) // 4
        if not quarter:
            return 1.0
        return statistics.median(self.memory[-quarter:]) / statistics.median(self.memory[quarter : 2 * quarter])


def outcomes(metrics: str) -> Counter[str]:
    """Messages by outcome, from the worker's metrics."""
    found = Counter[str]()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "contacts_messages_total":
                found[sample.labels["outcome"]] = int(sample.value)
    return found
