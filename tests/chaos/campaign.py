"""One run: clients, workers and faults at once, then quiet, then the judge."""

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
from distribution.store.engine import create_engine, transaction
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
QUIET_LOOKS = 5
QUIET_SECONDS, LOOK_SECONDS, TELL_SECONDS = 450, 1.0, 10.0


@dataclass
class Verdict:
    """What the judge found, and how much there was."""

    plan: Plan
    findings: list[str]
    counts: Counter[str]
    seconds: float


@dataclass
class Campaign:
    """Everything of one run. `code`: the tree that the workers run; `spoil`: SQL to run once the schema is there."""

    plan: Plan
    broker: Broker
    postgres: Postgres | None
    folder: Path
    say: Callable[[str], None]
    code: Path
    spoil: str = ""
    quiet_seconds: float = QUIET_SECONDS
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.plan.seed)
        self.prefix = f"chaos{secrets.token_hex(3)}."
        self.abuse = HostileParties(self.broker.url, self.prefix)
        self.bot = Bot(self.broker.url, self.prefix, self.plan, self.abuse)
        self.subscriber = Subscriber(self.broker.url, self.prefix, self._hear)
        self.begun = time.monotonic()
        self.office: AdminClient | None = None

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
            async with self._beside(settings) as self.office:
                return await self._break(engine)
        finally:
            await engine.dispose()

    async def _break(self, engine: AsyncEngine) -> Verdict:
        async with asyncio.TaskGroup() as together:
            endless = [self.bot.send(), self.subscriber.listen(), self.workers.run(), self._tell()]
            running = [together.create_task(each) for each in endless]
            working = together.create_task(self.office.work()) if self.office else None
            await asyncio.gather(self.bot.write(), self.faults.run())
            await self._until_all_died()
            self.workers.calm_down()
            if working:
                working.cancel()
            late = ""
            if self.plan.full_subscriber:
                late = await self._until_quiet(engine, abused=True)
                await self.abuse.end()
            left = await self._until_quiet(engine, abused=False)
            facts = await gather(engine, self.bot, self.subscriber)
            facts.late, facts.broker_deaths = late, self.faults.broker_deaths
            if self.office:
                facts.confirmed, facts.sent = facts.confirmed | self.office.taken, facts.sent | self.office.asked
            facts.faults_planned = self.plan.kills + len(self.faults.planned())
            facts.faults_done = self.workers.killed + self.faults.done.total()
            findings = judge(facts) + ([f"never quiet: {left}"] if left else [])
            findings += self.office.refused if self.office else []
            for task in running:
                task.cancel()
        counts = Counter(contacts=len(facts.contacts), changes=len(facts.decisions), copies=self.subscriber.copies)
        counts += self._progress() + self.workers.deaths + self.faults.done
        return Verdict(self.plan, findings, counts, time.monotonic() - self.begun)

    async def _until_all_died(self) -> None:
        async def all_died() -> bool:
            return self.workers.killed >= self.plan.kills

        await until(all_died, QUIET_SECONDS)

    async def _until_quiet(self, engine: AsyncEngine, *, abused: bool) -> str:
        """Wait until nothing moves any more; returns what still does when the time is over."""
        left, deadline, quiet, heard = "not looked", time.monotonic() + self.quiet_seconds, 0, 0
        self.bot.closings = False
        # What a worker holds is in no queue: several looks in a row must find nothing and no news.
        while quiet < QUIET_LOOKS and time.monotonic() < deadline:
            try:
                left = await settled(engine, self.bot, self.subscriber, abused=abused)
            except LOST as lost:
                left = repr(lost)
            # What the full subscriber held up still comes now and then.
            quiet = quiet + 1 if not left and (abused or len(self.subscriber.heard) == heard) else 0
            heard = len(self.subscriber.heard)
            await asyncio.sleep(LOOK_SECONDS)
        return left

    def _hear(self, event: Heard) -> None:
        """Close some of what was given, a moment later."""
        if event.operator_id is None or event.type == "contact.closed" or not self.bot.closings:
            return
        chance = self.random.random()
        if self.office and chance < CLOSED_BY_HAND:
            self.office.heard.append(event.contact_id)
        elif chance < CLOSED:
            asyncio.get_running_loop().call_later(self.random.uniform(0.1, 3), self.bot.close, event.key)

    async def _prepare(self, engine: AsyncEngine) -> None:
        for source in self.plan.sources:
            by_name = {f"{source}-{n}": (n + 1, self.plan.limit) for n in range(OPERATORS)}
            operators = await open_source(engine, source, by_name)
        async with transaction(engine) as conn:
            await limit_trigger.watch(conn)
            if self.spoil:
                await conn.execute(sa.text(self.spoil))
        await declare_at(self.broker.url, Topology(self.prefix, "1h"))
        await self.subscriber.subscribe()
        await self.abuse.begin()
        if self.plan.full_subscriber:
            await self.abuse.fill_up(source, min(operators.values()))

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
    async def _beside(self, settings: dict[str, str]) -> AsyncIterator[AdminClient | None]:
        """On SQLite the admin API writes into the same file."""
        if self.postgres:
            yield None
        else:
            async with admin_client(
                settings, self.code, self.folder, self.plan.sources, Random(self.plan.seed + 3)
            ) as at_work:
                yield at_work

    async def _tell(self) -> None:
        while True:
            numbers = ", ".join(f"{name} {number}" for name, number in self._progress().items())
            self.say(f"{time.monotonic() - self.begun:5.0f} s: {numbers}")
            await asyncio.sleep(TELL_SECONDS)

    def _progress(self) -> Counter[str]:
        return Counter(
            submitted=self.bot.written,
            confirmed=len(self.bot.confirmed),
            mail=len(self.bot.mail),
            events=len(self.subscriber.heard),
            deaths=self.workers.killed,
            faults=self.faults.done.total(),
        )
