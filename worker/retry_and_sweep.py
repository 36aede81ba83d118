"""Periodic work: retries deferred messages that are due, and assigns waiting contacts that were missed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.replay import Replayed, retry_due
from distribution.store import parked_messages
from distribution.store.db_errors import describe_error
from distribution.store.operator_pool import servable_sources
from worker.aio import wait_for_event
from worker.consume.batch_committer import RETRY_LOCK_SECONDS
from worker.consume.context import ConsumeContext

DUE_EVERY_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""How long one round of retries may delay the other periodic tasks."""
ALONE_AT_MOST = 50
"""Sources that are retried one by one in a round; the others follow in the next."""
SWEEP_EVERY = 5
"""The sweep for missed contacts runs every so many rounds."""


class RetryAndSweep:
    """Runs concurrently with the consumer, even without a broker connection."""

    def __init__(self, context: ConsumeContext) -> None:
        self._decoder, self._database = context.settings.decoder, context.database
        self._batches, self._relay = context.batches, context.relay
        self._metrics, self._stopping = context.metrics, context.stopping
        self._log = structlog.get_logger("worker.retry_and_sweep")

    async def run(self) -> None:
        """Run the tasks until stopped; while the database is unavailable, wait for it."""
        rounds = 0
        while not self._stopping.is_set():
            await self._try(self.retry_deferred)
            if rounds % SWEEP_EVERY == 0:
                await self._try(self.sweep)
            rounds += 1
            await wait_for_event(self._stopping, DUE_EVERY_SECONDS)

    async def _try(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as error:
            # A defect that one source triggers must not stop the work for all others.
            defect = None if isinstance(error, DatabaseUnavailable) else error
            self._log.warning("sweep_failed", reason=describe_error(error), exc_info=defect)

    async def retry_deferred(self) -> None:
        """Retry deferred messages that are due; those that need locks of another transaction are left for later."""
        until = asyncio.get_running_loop().time() + RETRY_SECONDS
        locked: set[str | None] = set()
        while not self._stopping.is_set() and asyncio.get_running_loop().time() < until:
            now = datetime.now(UTC)
            async with self._database.reading() as conn:
                due = await parked_messages.sources_due(conn, now, locked)
            if not due:
                return
            try:
                result = await self._batches.commit(partial(self._retry, now, locked))
            except LockedByOthers:
                locked |= await self._find_locked(due, now, locked)
                continue
            await self._finish(result)
            if result.last is None:
                return

    async def _find_locked(self, due: set[str | None], now: datetime, locked: set[str | None]) -> set[str | None]:
        """Returns the sources to skip in this round.

        If none of them is locked itself, each is retried alone first: one may need locks of another source.
        """
        locked_codes: set[str | None] = {
            *await self._batches.locked_sources([code for code in due if code is not None])
        }
        if locked_codes:
            return locked_codes
        for code in list(due)[:ALONE_AT_MOST]:
            with suppress(LockedByOthers):  # it is skipped in this round, as all of them are
                retry = partial(self._retry, now, locked | (due - {code}))
                await self._finish(await self._batches.try_commit(retry, RETRY_LOCK_SECONDS))
        return due

    async def _retry(self, now: datetime, left_out: set[str | None], conn: AsyncConnection) -> Replayed:
        return await retry_due(conn, self._database.random, self._decoder, now, left_out)

    async def _finish(self, result: Replayed) -> None:
        await self._batches.serve(result.unserved)
        self._metrics.messages.labels("retried").inc(result.replayed)
        self._relay.wake()

    async def sweep(self) -> None:
        """Assign waiting contacts for which there is room: every change does so itself, so normally none are left."""
        async with self._database.reading() as conn:
            missed = await servable_sources(conn)
        if missed:
            self._metrics.swept.inc(len(missed))
            self._log.warning("waiting_contacts_recovered", source_ids=missed)
            for source_id in missed:
                with suppress(LockedByOthers):  # the next sweep finds it again
                    await self._batches.serve([source_id])
            self._relay.wake()
