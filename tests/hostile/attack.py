"""One run against a worker: every message the broker accepted is settled, the worker lives, its memory stays flat."""

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

from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading
from tests.hostile.generator import Generator
from tests.hostile.sender import send
from worker.broker.topology import Topology

GROWTH = 1.25
"""Limit of the last quarter's median memory over the second's; the first quarter is the warm-up."""
QUIET_CHECKS, PAUSE_SECONDS = 100, 0.2
"""After how many checks without a change, and with what pause between them, a run counts as finished."""
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
    accepted: int = 0

    async def run(self) -> list[str]:
        """Send all, wait until all is settled; returns what is wrong."""
        async with aiormq.connect(self.amqp_url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            # Every message is also routed here: the count of what the broker accepted.
            counted = f"{self.topology.prefix}hostile.counted"
            await channel.queue_declare(counted, durable=True)
            await channel.queue_bind(counted, self.topology.contacts, routing_key="#")
            sampling = asyncio.create_task(self._sample())
            try:
                await self._send(channel)
                await self._until_settled(channel, counted)
            finally:
                sampling.cancel()
                await channel.queue_delete(counted)
        return await self._findings()

    async def _send(self, channel: aiormq.abc.AbstractChannel) -> None:
        generator = Generator(Random(self.seed))
        for message in generator.messages(self.number):
            await send(channel, self.topology.contacts, message)
            self.sent += 1
            while self.sent - self.outcomes.total() > AHEAD:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(PAUSE_SECONDS)

    async def _count(self, channel: aiormq.abc.AbstractChannel, counted: str) -> int:
        """How many messages the broker has accepted so far; a queue's count lags behind a little."""
        return (await channel.queue_declare(counted, passive=True)).message_count or 0

    async def _until_settled(self, channel: aiormq.abc.AbstractChannel, counted: str) -> None:
        quiet, before = 0, (-1, -1)
        while quiet < QUIET_CHECKS:
            self.accepted = await self._count(channel, counted)
            now = self.accepted, self.outcomes.total()
            quiet = quiet + 1 if now == before else 0
            before = now
            if min(now) >= self.number:
                return
            await asyncio.sleep(PAUSE_SECONDS)  # what is tested: that nothing more comes

    async def _sample(self) -> None:
        """Sample the worker's memory and its metrics, for ever."""
        process, reported = psutil.Process(self.pid), 0
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            while True:
                self.memory.append(process.memory_info().rss)
                self.outcomes = outcomes((await http.get(f"{self.address}/metrics")).text)
                if self.sent - reported >= self.number / 20:
                    reported = self.sent
                    self.say(f"sent {self.sent}, settled {self.outcomes.total()}, {self.memory[-1] >> 20} MiB")
                await asyncio.sleep(PAUSE_SECONDS)  # between two samples

    async def _findings(self) -> list[str]:
        async with reading(self.engine) as conn:
            contact_count = await conn.scalar(sa.select(sa.func.count()).select_from(contacts)) or 0
            attempts = await conn.scalar(sa.select(sa.func.sum(parked_messages.c.attempts))) or 0
        known = sum(self.outcomes[name] for name in ("repeated", "closed"))
        tried_again = self.outcomes["retried"]
        findings = []
        if self.accepted != self.number:
            findings.append(f"the broker took {self.accepted} of {self.number}")
        if contact_count + attempts + known < self.accepted or self.outcomes.total() - tried_again != self.accepted:
            findings.append(f"{contact_count} contacts, {attempts} parked, {known} known: {self.accepted} were taken")
        if failed := self.outcomes["parked_processing_failed"]:
            findings.append(f"{failed} messages failed in processing: what a sender can send has a reason of its own")
        if self.growth() > GROWTH:
            findings.append(f"memory grew by {self.growth():.2f}")
        return findings

    def growth(self) -> float:
        """Median memory of the last quarter over that of the second."""
        quarter = len(self.memory) // 4
        if not quarter:
            return 1.0
        return statistics.median(self.memory[-quarter:]) / statistics.median(self.memory[quarter : 2 * quarter])


def outcomes(metrics: str) -> Counter[str]:
    """Numbers of messages by outcome, from the worker's metrics."""
    by_outcome = Counter[str]()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "contacts_messages_total":
                by_outcome[sample.labels["outcome"]] = int(sample.value)
    return by_outcome
