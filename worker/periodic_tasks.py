"""Looks after what time brings: deferred messages that are due, and waiting contacts that were missed."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.replay import Replayed, retry_due
from distribution.store import parked_messages
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from distribution.store.operator_pool import servable_sources
from worker.aio import wait_for_event
from worker.consume.batch_processor import RETRY_LOCK_SECONDS, BatchProcessor
from worker.metrics import Metrics
from worker.publish.relay_client import RelayClient
from worker.settings import WorkerSettings

DUE_EVERY_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""How long retries may keep everything else here waiting."""
ALONE_AT_MOST = 50
"""Sources that are tried alone in one round; others come in the next."""
SWEEP_EVERY = 5
"""Every so many rounds the sweep for missed contacts."""


class PeriodicTasks:
    """Runs beside the consumer, also while there is no broker."""

    def __init__(
        self,
        settings: WorkerSettings,
        database: Database,
        batches: BatchProcessor,
        relay: RelayClient,
        metrics: Metrics,
    ) -> None:
        self._decoder, self._database = settings.decoder, database
        self._batches, self._relay, self._metrics = batches, relay, metrics
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("worker.periodic_tasks")

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
                defect = None if isinstance(error, DatabaseUnavailable) else error
                self._log.warning("sweep_failed", reason=describe_error(error), exc_info=defect)
            rounds += 1
            await wait_for_event(self._stopping, DUE_EVERY_SECONDS)

    async def retry_deferred(self) -> None:
        """Retry deferred messages whose time has come; what needs locks that somebody holds comes later."""
        until = asyncio.get_running_loop().time() + RETRY_SECONDS
        locked: set[str | None] = set()
        while not self._stopping.is_set() and asyncio.get_running_loop().time() < until:
            now = datetime.now(UTC)
            async with self._database.reading() as conn:
                due = await parked_messages.sources_due(conn, now, locked)
            if not due:
                return
            try:
                done = await self._batches.commit(partial(self._retry, now, locked))
            except LockedByOthers:
                locked |= await self._locked_of(due, now, locked)
                continue
            await self._finish(done)
            if done.last is None:
                return

    async def _locked_of(self, due: set[str | None], now: datetime, locked: set[str | None]) -> set[str | None]:
        """Which of the sources cannot be done now. Each is tried alone if it needs locks of another source."""
        known: set[str | None] = {*await self._batches.locked_sources([code for code in due if code is not None])}
        if known:
            return known
        for code in list(due)[:ALONE_AT_MOST]:
            with suppress(LockedByOthers):
                retry = partial(self._retry, now, locked | (due - {code}))
                await self._finish(await self._batches.try_commit(retry, RETRY_LOCK_SECONDS))
        return due

    async def _retry(self, now: datetime, left_out: set[str | None], conn: AsyncConnection) -> Replayed:
        return await retry_due(conn, self._database.random, self._decoder, now, left_out)

    async def _finish(self, done: Replayed) -> None:
        await self._batches.serve(done.unserved)
        self._metrics.messages.labels("retried").inc(done.replayed)
        self._relay.wake()

    async def sweep(self) -> None:
        """Serve waiting contacts that somebody could have: every change does so itself, so this finds none."""
        async with self._database.reading() as conn:
            missed = await servable_sources(conn)
        if missed:
            self._metrics.swept.inc(len(missed))
            self._log.warning("waiting_contacts_recovered", source_ids=missed)
            for source_id in missed:
                with suppress(LockedByOthers):
                    await self._batches.serve([source_id])
            self._relay.wake()
