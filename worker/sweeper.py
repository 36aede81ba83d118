"""Looks after what time brings: deferred messages that are due, and waiting contacts that were missed."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.services.replay import retry_due
from distribution.store import parked
from distribution.store.engine import reading
from distribution.store.failures import in_words, is_outage
from distribution.store.pools import servable_sources
from worker.batches import LOCK_SECONDS, RETRY_LOCK_SECONDS, Batches, DatabaseAway, Locked
from worker.link import wait_for_event
from worker.relay import Relay
from worker.settings import WorkerSettings
from worker.status import Status

DUE_EVERY_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""How long retries may keep everything else here waiting."""
SWEEP_EVERY = 5
"""Every so many rounds the sweep for missed contacts."""


class Sweeper:
    """Runs beside the consumer, also while there is no broker."""

    def __init__(
        self,
        settings: WorkerSettings,
        engine: AsyncEngine,
        batches: Batches,
        relay: Relay,
        status: Status,
        random: Random,
    ) -> None:
        self._max_bytes, self._phone_region = settings.max_message_bytes, settings.default_phone_region
        self._sender_rules = settings.sender_rules
        self._engine, self._batches, self._relay, self._status = engine, batches, relay, status
        self._random = random
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("worker.sweeper")

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Look again and again until stopped; a database that is away is waited for."""
        rounds = 0
        while not self._stopping.is_set():
            try:
                await self.retry_deferred()
                if rounds % SWEEP_EVERY == 0:
                    await self.sweep()
            except Exception as error:
                # A defect that one source brings out must not end the work for all others.
                away = isinstance(error, DatabaseAway) or is_outage(error)
                self._log.warning("sweep_failed", reason=in_words(error), exc_info=None if away else error)
            rounds += 1
            await wait_for_event(self._stopping, DUE_EVERY_SECONDS)

    async def retry_deferred(self) -> None:
        """Retry deferred messages whose time has come; what needs locks that somebody holds comes later."""
        until = asyncio.get_running_loop().time() + RETRY_SECONDS
        locked: set[str | None] = set()
        while not self._stopping.is_set() and asyncio.get_running_loop().time() < until:
            now = datetime.now(UTC)
            async with reading(self._engine) as conn:
                due = await parked.sources_due(conn, now, locked)
            if not due:
                return
            try:
                if not await self._retry_some(now, locked):
                    return
            except Locked:
                locked |= await self._locked_of(due, now, locked)

    async def _locked_of(
        self, due: set[str | None], now: datetime, locked: Collection[str | None]
    ) -> set[str] | set[str | None]:
        """Which of the sources cannot be done now. Each is tried alone if it needs locks of another source."""
        known = await self._batches.locked_sources([code for code in due if code is not None])
        if known:
            return known
        for code in due:
            with suppress(Locked):
                await self._retry_some(now, [*locked, *(due - {code})], RETRY_LOCK_SECONDS)
        return due

    async def _retry_some(
        self, now: datetime, left_out: Collection[str | None], lock_seconds: float = LOCK_SECONDS
    ) -> bool:
        """One transaction of retries; returns whether any message was retried."""
        rules = self._sender_rules
        done = await self._batches.commit(
            lambda conn: retry_due(conn, self._random, now, self._max_bytes, self._phone_region, rules, left_out),
            lock_seconds,
        )
        await self._batches.serve(done.unserved)
        self._status.messages.labels("retried").inc(done.replayed)
        self._relay.wake()
        return done.last is not None

    async def sweep(self) -> None:
        """Serve waiting contacts that somebody could have: every change does so itself, so this finds none."""
        async with reading(self._engine) as conn:
            missed = await servable_sources(conn)
        if missed:
            self._status.swept.inc(len(missed))
            self._log.warning("waiting_contacts_missed", source_ids=missed)
            for source_id in missed:
                with suppress(Locked):
                    await self._batches.serve([source_id])
            self._relay.wake()
