"""A broker, a PostgreSQL, and one run of one contestant at a time."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aio_pika
import aiormq
import psutil
from aiormq.abc import AbstractChannel

from benchmarks.candidates import naive
from benchmarks.wait_until import PATIENCE_SECONDS
from benchmarks.workload import Message, Size, open_business, publish
from devservices.app_process import AppProcess, app_ports, spawn
from devservices.broker import Broker
from devservices.postgres import Postgres
from distribution.store import schema
from distribution.store.engine import create_engine
from worker.broker.topology import Topology, declare

Backend = Literal["sqlite", "postgresql", ""]
LOG_MAX_AGE = "7D"
LOOK_SECONDS = 0.02


class CandidateError(Exception):
    """A contestant ended, or did not do its work in time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, on a database, in so many processes."""

    name: str
    module: str
    backend: Backend = ""
    workers: int = 1
    naive: bool = False


@dataclass
class BenchmarkRun:
    """Where one run takes place: its own database, its own names on the broker, the processes that work there."""

    arena: "Environment"
    contestant: Candidate
    database_url: str
    topology: Topology
    channel: AbstractChannel
    processes: list[AppProcess] = field(default_factory=list)

    @property
    def events(self) -> str:
        """The subscriber's queue: durable and replicated, so that a confirmation means the same for all."""
        return f"{self.topology.prefix}events"

    async def fill(self, letters: list[Message]) -> None:
        """Put messages into the inbound queue."""
        await publish(self.arena.broker.url, self.topology.contacts, letters)

    async def start(self) -> None:
        """Start the contestant's processes."""
        own = {
            "AMQP_URL": self.arena.broker.url,
            "BROKER_PREFIX": self.topology.prefix,
            "DATABASE_URL": self.database_url,
            "LOG_LEVEL": "warning",
        }
        log = self.arena.folder / "contestants.log"
        for _ in range(self.contestant.workers):
            ports, url = app_ports()
            process = await spawn(self.contestant.module, own | ports, log)
            self.processes.append(AppProcess(self.contestant.name, process, url))

    async def stop(self) -> None:
        """SIGTERM to all; raises if one did not end in order."""
        statuses = await asyncio.gather(*[each.stop() for each in self.processes])
        self.processes.clear()
        if any(statuses):
            raise CandidateError(f"{self.contestant.name} ended with {statuses}: see {self.arena.folder}")

    def usage(self) -> tuple[float, int]:
        """Seconds of CPU so far and bytes of memory now, of all processes together."""
        of_each = [psutil.Process(each.process.pid) for each in self.processes]
        times = [each.cpu_times() for each in of_each]
        return sum(t.user + t.system for t in times), sum(each.memory_info().rss for each in of_each)

    async def told(self) -> int:
        """How many events there are."""
        for each in self.processes:
            each.check()
        return (await self.channel.queue_declare(self.events, passive=True)).message_count or 0

    async def until_told(self, enough: Callable[[int], bool]) -> tuple[int, float]:
        """Wait for events; returns how many there are, and when that was."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(number := await self.told()):  # noqa: ASYNC110 - a queue on the broker sets no event
                await asyncio.sleep(LOOK_SECONDS)
        return number, time.monotonic()

    async def correlations(self, number: int) -> list[str]:
        """Take this many events; returns which message each is about."""
        taken: list[str] = []
        enough = asyncio.Event()

        async def take(message: aiormq.abc.DeliveredMessage) -> None:
            taken.append(message.header.properties.correlation_id or "")
            if len(taken) == number:
                enough.set()

        tag = (await self.channel.basic_consume(self.events, take, no_ack=True)).consumer_tag
        async with asyncio.timeout(PATIENCE_SECONDS):
            await enough.wait()
        await self.channel.basic_cancel(tag or "")
        return taken


@dataclass
class Environment:
    """The servers, which all contestants share."""

    broker: Broker
    postgres: Postgres
    folder: Path

    @asynccontextmanager
    async def ground(self, contestant: Candidate, size: Size, template: str = "") -> AsyncIterator[BenchmarkRun]:
        """A database with sources and operators, exchanges and queues; all gone afterwards.

        `template`: the address of a database to copy instead.
        """
        topology = Topology(f"bench-{secrets.token_hex(4)}.", LOG_MAX_AGE)
        if template:
            url = await asyncio.to_thread(self._copy, template)
        else:
            url = await self.database(contestant, size)
        async with await aio_pika.connect(self.broker.url) as connection:
            await declare(await connection.channel(), topology)
        async with aiormq.connect(self.broker.url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            ground = BenchmarkRun(self, contestant, url, topology, channel)
            await channel.queue_declare(ground.events, durable=True, arguments={"x-queue-type": "quorum"})
            await channel.queue_bind(ground.events, topology.assignments, routing_key="#")
            try:
                yield ground
            finally:
                for each in ground.processes:
                    await each.kill()
                await self._clear(channel, ground)
        await asyncio.to_thread(self.forget, url)

    async def database(self, contestant: Candidate, size: Size) -> str:
        """A new database with sources and operators; returns its address."""
        url = await asyncio.to_thread(self._database, contestant)
        await self._open_business(contestant, url, size)
        return url

    def forget(self, url: str) -> None:
        """Drop a database."""
        if url.startswith("postgresql"):
            self.postgres.drop_database(url)
        elif url:
            for path in self.folder.glob(f"{Path(url).name}*"):
                path.unlink()

    def _copy(self, template: str) -> str:
        if template.startswith("postgresql"):
            return self.postgres.create_database(template)
        path = self.folder / f"{secrets.token_hex(4)}.db"
        shutil.copy(self.folder / Path(template).name, path)
        with path.open("rb+") as copied:
            os.fsync(copied.fileno())  # else the first to sync anything in it waits for the whole copy
        return f"sqlite+aiosqlite:///{path}"

    def _database(self, contestant: Candidate) -> str:
        if contestant.backend == "postgresql":
            url = self.postgres.create_database()
        elif contestant.backend == "sqlite":
            url = f"sqlite+aiosqlite:///{self.folder / secrets.token_hex(4)}.db"
        else:
            return ""
        if not contestant.naive:
            schema.upgrade(url)
        return url

    async def _open_business(self, contestant: Candidate, url: str, size: Size) -> None:
        if contestant.naive:
            await naive.open_business(url, size)
        elif url:
            engine = create_engine(url)
            await open_business(engine, size)
            await engine.dispose()

    async def _clear(self, channel: AbstractChannel, ground: BenchmarkRun) -> None:
        for queue in (ground.events, *(queue.name for queue in ground.topology.queues())):
            await channel.queue_delete(queue)
        for exchange in ground.topology.exchanges():
            await channel.exchange_delete(exchange.name)
