"""Faults of the broker and the database while contacts are processed."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from devservices.broker import Broker
from devservices.postgres import Postgres
from distribution.store.engine import create_engine
from tests.chaos.plan import Plan

CUT_OFF_SECONDS = 2
FROZEN_SECONDS = 12
"""Longer than the heartbeats of the run allow."""

Fault = Callable[[], Awaitable[None]]


async def last(seconds: float) -> None:
    """Keep a fault up: how long it lasts is part of it."""
    await asyncio.sleep(seconds)


@dataclass
class Faults:
    """Every fault of a plan, one after the other, at times that depend on the seed; counted once it is over."""

    plan: Plan
    broker: Broker
    database_url: str
    postgres: Postgres | None
    random: Random
    counts: Counter[str] = field(default_factory=Counter)

    def planned(self) -> list[Fault]:
        """The faults to inject, in an order that depends on the seed."""
        broker: list[Fault] = [
            self.cut_off_broker,
            self.kill_broker,
            self.freeze_broker,
            self.restart_broker,
            self.drop_connections,
        ]
        broker = broker[:1] if self.plan.cut_offs else broker
        server: list[Fault] = [self.stop_database, self.lock_table, self.freeze_database, self.lock_operator]
        database: list[Fault] = server if self.postgres else [self.lock_file]
        faults = [broker[n % len(broker)] for n in range(self.plan.broker_faults)]
        faults += [database[n % len(database)] for n in range(self.plan.database_faults)]
        faults += [self.terminate_backends] * self.plan.terminations
        self.random.shuffle(faults)
        return faults

    async def run(self) -> None:
        """Inject all of them, spread over the time in which submissions are sent."""
        faults = self.planned()
        pause = self.plan.submissions / self.plan.rate / (len(faults) + 1)
        for fault in faults:
            await asyncio.sleep(pause * self.random.uniform(0.5, 1.2))  # spread over the run
            await fault()
            self.counts[getattr(fault, "__name__", "fault")] += 1

    @property
    def broker_deaths(self) -> int:
        """How often the broker has ended so far."""
        return sum(self.counts[name] for name in ("kill_broker", "cut_off_broker", "restart_broker"))

    async def kill_broker(self) -> None:
        """A power failure of the broker."""
        await asyncio.to_thread(self.broker.kill)
        await asyncio.to_thread(self.broker.start)

    async def cut_off_broker(self) -> None:
        """The broker's host accepts data, the broker no longer processes it, and then it is killed."""
        await asyncio.to_thread(self.broker.freeze)
        await last(CUT_OFF_SECONDS)
        await self.kill_broker()

    async def restart_broker(self) -> None:
        """An orderly restart."""
        await asyncio.to_thread(self.broker.restart)

    async def freeze_broker(self) -> None:
        """Connections stay open and the broker does not respond."""
        await asyncio.to_thread(self.broker.freeze)
        await last(FROZEN_SECONDS)
        await asyncio.to_thread(self.broker.thaw)

    async def drop_connections(self) -> None:
        """The broker closes every connection."""
        await asyncio.to_thread(self.broker.rabbitmqctl, "close_all_connections", "for a test")

    async def stop_database(self) -> None:
        """PostgreSQL is stopped for a while."""
        await asyncio.to_thread(self._postgres().stop)
        await last(self.plan.seconds_away)
        await asyncio.to_thread(self._postgres().start)

    async def freeze_database(self) -> None:
        """PostgreSQL does not respond for a while."""
        await asyncio.to_thread(self._postgres().freeze)
        await last(self.plan.seconds_away)
        await asyncio.to_thread(self._postgres().thaw)

    async def terminate_backends(self) -> None:
        """PostgreSQL ends every connection, some during a commit."""
        engine = create_engine(self.database_url)
        others = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with engine.connect() as conn:
            await conn.execute(others)
        await engine.dispose()

    async def lock_table(self) -> None:
        """Another session locks a table and does not commit for a while."""
        await self._hold_locks("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")

    async def lock_operator(self) -> None:
        """Another session locks an operator's row (SELECT FOR UPDATE) for a while."""
        await self._hold_locks("SELECT * FROM operators WHERE id = 1 FOR UPDATE")

    async def _hold_locks(self, statement: str) -> None:
        engine = create_engine(self.database_url, patient=True)
        async with engine.connect() as conn:
            await conn.execute(sa.text(statement))
            await last(self.plan.seconds_away)
        await engine.dispose()

    async def lock_file(self) -> None:
        """Another process holds the SQLite file's write lock."""
        await asyncio.to_thread(self._hold_file_lock, self.plan.seconds_away)

    def _hold_file_lock(self, seconds: float) -> None:
        path = make_url(self.database_url).database
        with closing(sqlite3.connect(str(path), timeout=60, isolation_level=None)) as conn:
            conn.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)  # how long it lasts, as of `last`
            conn.execute("ROLLBACK")

    def _postgres(self) -> Postgres:
        if self.postgres is None:
            raise RuntimeError("this run has no PostgreSQL")
        return self.postgres
