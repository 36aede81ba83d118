"""Renormalizes phones and e-mails of leads in the background after an upgrade, so that the current rules find them."""

import asyncio

import structlog

from distribution.backoff import Backoff
from distribution.errors import DatabaseUnavailable
from distribution.intake.lead_renormalization import renormalize
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from worker.aio import wait_for_event

STEP_PAUSE_SECONDS = 0.05
FIRST_ROUND_SECONDS = 60.0
LAST_ROUND_SECONDS = 24 * 3600.0


class LeadRenormalizer:
    """Rounds over all leads, with growing pauses: workers of the previous release may still write its normalization.

    A round may end anywhere: rows are marked as they are done. Any number of workers may run rounds concurrently.
    """

    def __init__(self, database: Database, phone_region: str, stopping: asyncio.Event) -> None:
        self._database, self._phone_region, self._stopping = database, phone_region, stopping
        self._log = structlog.get_logger("worker.lead_renormalizer")

    async def run(self) -> None:
        """Run rounds until stopped; while the database is unavailable, wait for it."""
        backoff = Backoff(FIRST_ROUND_SECONDS, LAST_ROUND_SECONDS)
        while not self._stopping.is_set():
            try:
                await self.round()
            except Exception as error:
                # No failure here may end the worker, whose main work is something else.
                defect = None if isinstance(error, DatabaseUnavailable) else error
                self._log.warning("lead_renormalization_failed", reason=describe_error(error), exc_info=defect)
            await wait_for_event(self._stopping, backoff.pause())

    async def round(self) -> None:
        """Go over all leads once."""
        last, total = 0, 0
        while not self._stopping.is_set():
            last_done, spelled = await renormalize(self._database, self._phone_region, last)
            total += spelled
            if last_done <= last:
                break
            last = last_done
            await wait_for_event(self._stopping, STEP_PAUSE_SECONDS)
        if total:
            self._log.info("leads_renormalized", leads=total)
