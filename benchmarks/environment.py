"""A broker, a PostgreSQL, and one run of one candidate at a time."""

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
from worker.broker.topology import Topology, declare_each

Backend = Literal["sqlite", "postgresql", ""]
LOG_MAX_AGE = "7D"
LOOK_SECONDS = 0.02


class CandidateError(Exception):
    """A candidate ended, or did not do its work in time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, its database and the number of its processes."""

    name: str
    module: str
    backend: Backend = ""
    workers: int = 1
    naive: bool = False


@dataclass
class BenchmarkRun:
    """One run: its own database, its own names on the broker, the candidate's processes."""

    environment: "Environment"
    candidate: Candidate
    database_url: str
    topology: Topology
    channel: AbstractChannel
    processes: list[AppProcess] = field(default_factory=list)

    @property
    def events(self) -> str:
        """The subscriber's queue: durable and replicated, so that a confirmation means the same for all."""
        return f"{self.topology.prefix}events"

    async def fill(self, messages: list[Message]) -> None:
        """Put messages into the inbound queue."""
        await publish(self.environment.broker.url, self.topology.contacts, messages)

    async def start(self) -> None:
        """Start the candidate's processes."""
        own = {
            "AMQP_URL": self.environment.broker.url,
            "BROKER_PREFIX": self.topology.prefix,
            "DATABASE_URL": self.database_url,
            "LOG_LEVEL": "warning",
        }
        log = self.environment.folder / "candidates.log"
        for _ in range(self.candidate.workers):
            ports, url = app_ports()
            process = await spawn(self.candidate.module, own | ports, log)
            self.processes.append(AppProcess(self.candidate.name, process, url))

    async def stop(self) -> None:
        """SIGTERM to all; CandidateError if one did not shut down cleanly."""
        statuses = await asyncio.gather(*[app.stop() for app in self.processes])
        self.processes.clear()
        if any(statuses):
            raise CandidateError(f"{self.candidate.name} ended with {statuses}: see {self.environment.folder}")

    def usage(self) -> tuple[float, int]:
        """Seconds of CPU so far and bytes of memory now, of all processes together."""
        processes = [psutil.Process(app.process.pid) for app in self.processes]
        times = [process.cpu_times() for process in processes]
        return sum(t.user + t.system for t in times), sum(process.memory_info().rss for process in processes)

    async def event_count(self) -> int:
        """The number of events in the subscriber's queue."""
        for app in self.processes:
            app.check()
        return (await self.channel.queue_declare(self.events, passive=True)).message_count or 0

    async def until_event_count(self, enough: Callable[[int], bool]) -> tuple[int, float]:
        """Wait for events; returns their number, and the monotonic time of the count."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(number := await self.event_count()):  # noqa: ASYNC110 - a queue on the broker sets no event
                await asyncio.sleep(LOOK_SECONDS)
        return number, time.monotonic()

    async def correlations(self, number: int) -> list[str]:
        """Consume this many events; returns the correlation id of each: the id of its submission."""
        correlation_ids: list[str] = []
        enough = asyncio.Event()

        async def take(message: aiormq.abc.DeliveredMessage) -> None:
            correlation_ids.append(message.header.properties.correlation_id or "")
            if len(correlation_ids) == number:
                enough.set()

        tag = (await self.channel.basic_consume(self.events, take, no_ack=True)).consumer_tag
        async with asyncio.timeout(PATIENCE_SECONDS):
            await enough.wait()
        await self.channel.basic_cancel(tag or "")
        return correlation_ids


@dataclass
class Environment:
    """The servers, which all candidates share."""

    broker: Broker
    postgres: Postgres
    folder: Path

    @asynccontextmanager
    async def run(self, candidate: Candidate, size: Size, template: str = "") -> AsyncIterator[BenchmarkRun]:
        """A database with sources and operators, exchanges and queues; all are removed afterwards.

        `template`: the address of a database to copy instead.
        """
        topology = Topology(f"bench-{secrets.token_hex(4)}.", LOG_MAX_AGE)
        if template:
            url = await asyncio.to_thread(self._copy, template)
        else:
            url = await self.database(candidate, size)
        async with await aio_pika.connect(self.broker.url) as connection:
            await declare_each(await connection.channel(), topology.objects(), declares=topology.declares)
        async with aiormq.connect(self.broker.url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            run = BenchmarkRun(self, candidate, url, topology, channel)
            await channel.queue_declare(run.events, durable=True, arguments={"x-queue-type": "quorum"})
            await channel.queue_bind(run.events, topology.assignments, routing_key="#")
            try:
                yield run
            finally:
                for app in run.processes:
                    await app.kill()
                await self._clear(channel, run)
        await asyncio.to_thread(self.forget, url)

    async def database(self, candidate: Candidate, size: Size) -> str:
        """A new database with sources and operators; returns its address."""
        url = await asyncio.to_thread(self._database, candidate)
        await self._open_business(candidate, url, size)
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
            os.fsync(copied.fileno())  # else the first sync in it waits for the whole copy
        return f"sqlite+aiosqlite:///{path}"

    def _database(self, candidate: Candidate) -> str:
        if candidate.backend == "postgresql":
            url = self.postgres.create_database()
        elif candidate.backend == "sqlite":
            url = f"sqlite+aiosqlite:///{self.folder / secrets.token_hex(4)}.db"
        else:
            return ""
        if not candidate.naive:
            schema.upgrade(url)
        return url

    async def _open_business(self, candidate: Candidate, url: str, size: Size) -> None:
        if candidate.naive:
            await naive.open_business(url, size)
        elif url:
            engine = create_engine(url)
            await open_business(engine, size)
            await engine.dispose()

    async def _clear(self, channel: AbstractChannel, run: BenchmarkRun) -> None:
        for queue in (run.events, *(queue.name for queue in run.topology.queues())):
            await channel.queue_delete(queue)
        for exchange in run.topology.exchanges():
            await channel.exchange_delete(exchange.name)
