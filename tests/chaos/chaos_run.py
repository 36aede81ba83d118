"""One run: clients, workers and faults at once, then a quiet phase, then the judge."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from devservices.postgres import Postgres
from distribution.store import schema
from distribution.store.engine import create_engine
from distribution.store.transactions import transaction
from tests.broker_setup import declare_at
from tests.chaos import limit_trigger
from tests.chaos.admin_client import AdminClient, admin_client
from tests.chaos.bot import Bot
from tests.chaos.faults import Faults
from tests.chaos.gather_facts import gather, settled
from tests.chaos.hostile_parties import HostileParties
from tests.chaos.judge import judge
from tests.chaos.plan import Plan
from tests.chaos.reconnecting_channel import LOST
from tests.chaos.subscriber import Heard, Subscriber
from tests.chaos.workers import Workers
from tests.factories import open_source
from tests.polling import until
from worker.broker.topology import Topology

OPERATORS = 5
CLOSED, CLOSED_BY_HAND = 0.5, 0.1
QUIET_CHECKS = 5
QUIET_SECONDS, CHECK_SECONDS, REPORT_SECONDS = 450, 1.0, 10.0


@dataclass
class Verdict:
    """What the judge found, and the numbers of the run."""

    plan: Plan
    findings: list[str]
    counts: Counter[str]
    seconds: float


@dataclass
class ChaosRun:
    """Everything of one run. `code`: the source tree that workers run; `sql`: run after the schema upgrade."""

    plan: Plan
    broker: Broker
    postgres: Postgres | None
    folder: Path
    say: Callable[[str], None]
    code: Path
    sql: str = ""
    quiet_seconds: float = QUIET_SECONDS
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.plan.seed)
        self.prefix = f"chaos{secrets.token_hex(3)}."
        self.hostile_parties = HostileParties(self.broker.url, self.prefix)
        self.bot = Bot(self.broker.url, self.prefix, self.plan, self.hostile_parties)
        self.subscriber = Subscriber(self.broker.url, self.prefix, self._hear)
        self.begun = time.monotonic()
        self.admin: AdminClient | None = None

    async def run(self) -> Verdict:
        """The whole run."""
        url = await asyncio.to_thread(self._database)
        engine = create_engine(url)
        settings = self._settings(url)
        self.faults = Faults(self.plan, self.broker, url, self.postgres, Random(self.plan.seed + 1))
        deaths = Random(self.plan.seed + 2)
        self.workers = Workers(settings, self.code, self.folder, self.plan.workers, self.plan.kills, deaths)
        try:
            await self._prepare(engine)
            async with self._admin_api(settings) as self.admin:
                return await self._run_with_faults(engine)
        finally:
            await engine.dispose()

    async def _run_with_faults(self, engine: AsyncEngine) -> Verdict:
        async with asyncio.TaskGroup() as together:
            endless = [self.bot.send(), self.subscriber.listen(), self.workers.run(), self._report_progress()]
            running = [together.create_task(work) for work in endless]
            working = together.create_task(self.admin.work()) if self.admin else None
            await asyncio.gather(self.bot.write(), self.faults.run())
            await self._until_all_killed()
            self.workers.calm_down()
            if working:
                working.cancel()
            late = ""
            if self.plan.full_subscriber:
                late = await self._until_quiet(engine, abused=True)
                await self.hostile_parties.end()
            left = await self._until_quiet(engine, abused=False)
            facts = await gather(engine, self.bot, self.subscriber)
            facts.late, facts.broker_deaths = late, self.faults.broker_deaths
            if self.admin:
                facts.confirmed, facts.sent = facts.confirmed | self.admin.accepted, facts.sent | self.admin.asked
            facts.faults_planned = self.plan.kills + len(self.faults.planned())
            facts.faults_done = self.workers.killed + self.faults.counts.total()
            findings = judge(facts) + ([f"never quiet: {left}"] if left else [])
            findings += self.admin.refused if self.admin else []
            for task in running:
                task.cancel()
        counts = Counter(contacts=len(facts.contacts), changes=len(facts.decisions), copies=self.subscriber.copies)
        counts += self._progress() + self.workers.deaths + self.faults.counts
        return Verdict(self.plan, findings, counts, time.monotonic() - self.begun)

    async def _until_all_killed(self) -> None:
        async def all_killed() -> bool:
            return self.workers.killed >= self.plan.kills

        await until(all_killed, QUIET_SECONDS)

    async def _until_quiet(self, engine: AsyncEngine, *, abused: bool) -> str:
        """Wait until nothing changes any more; returns a description of what still does when the time is up."""
        left, deadline, quiet, heard = "not looked", time.monotonic() + self.quiet_seconds, 0, 0
        self.bot.closings = False
        # What a worker holds is in no queue: several checks in a row must find nothing left and nothing new.
        while quiet < QUIET_CHECKS and time.monotonic() < deadline:
            try:
                left = await settled(engine, self.bot, self.subscriber, abused=abused)
            except LOST as lost:
                left = repr(lost)
            # Events that the full subscriber delayed still arrive now and then.
            quiet = quiet + 1 if not left and (abused or len(self.subscriber.heard) == heard) else 0
            heard = len(self.subscriber.heard)
            await asyncio.sleep(CHECK_SECONDS)  # what is tested: that it stays quiet
        return left

    def _hear(self, event: Heard) -> None:
        """Close some of the assigned contacts, a moment later."""
        if event.operator_id is None or event.type == "contact.closed" or not self.bot.closings:
            return
        chance = self.random.random()
        if self.admin and chance < CLOSED_BY_HAND:
            self.admin.heard.append(event.contact_id)
        elif chance < CLOSED:
            asyncio.get_running_loop().call_later(self.random.uniform(0.1, 3), self.bot.close, event.key)

    async def _prepare(self, engine: AsyncEngine) -> None:
        for source in self.plan.sources:
            by_name = {f"{source}-{n}": (n + 1, self.plan.limit) for n in range(OPERATORS)}
            operators = await open_source(engine, source, by_name)
        async with transaction(engine) as conn:
            await limit_trigger.watch(conn)
            if self.sql:
                await conn.execute(sa.text(self.sql))
        await declare_at(self.broker.url, Topology(self.prefix, "1h"))
        await self.subscriber.subscribe()
        await self.hostile_parties.begin()
        if self.plan.full_subscriber:
            await self.hostile_parties.fill_up(source, min(operators.values()))

    def _database(self) -> str:
        url = self.postgres.create_database() if self.postgres else f"sqlite+aiosqlite:///{self.folder / 'contacts.db'}"
        schema.upgrade(url)
        return url

    def _settings(self, url: str) -> dict[str, str]:
        return {
            "DATABASE_URL": url,
            "AMQP_URL": f"{self.broker.url}?heartbeat=3",
            "BROKER_PREFIX": self.prefix,
            "EVENT_LOG_MAX_AGE": "1h",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
        }

    @asynccontextmanager
    async def _admin_api(self, settings: dict[str, str]) -> AsyncIterator[AdminClient | None]:
        """On SQLite, an admin API that writes into the same file."""
        if self.postgres:
            yield None
        else:
            async with admin_client(
                settings, self.code, self.folder, self.plan.sources, Random(self.plan.seed + 3)
            ) as admin:
                yield admin

    async def _report_progress(self) -> None:
        while True:
            numbers = ", ".join(f"{name} {number}" for name, number in self._progress().items())
            self.say(f"{time.monotonic() - self.begun:5.0f} s: {numbers}")
            await asyncio.sleep(REPORT_SECONDS)  # a line for people now and then

    def _progress(self) -> Counter[str]:
        return Counter(
            submitted=self.bot.written,
            confirmed=len(self.bot.confirmed),
            queued=len(self.bot.queue),
            events=len(self.subscriber.heard),
            deaths=self.workers.killed,
            faults=self.faults.counts.total(),
        )
