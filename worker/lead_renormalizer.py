"""Spells phones and e-mails of leads anew after an upgrade, beside all else, so that today's rule finds them."""

import asyncio

import structlog

from distribution.backoff import Backoff
from distribution.errors import DatabaseUnavailable
from distribution.intake.lead_renormalization import renormalize
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from worker.aio import wait_for_event

BREATH_SECONDS = 0.05
FIRST_ROUND_SECONDS = 60.0
LAST_ROUND_SECONDS = 24 * 3600.0


class LeadRenormalizer:
    """Rounds over all leads, each after a longer pause: workers of the release before may still write in its spelling.

    A round may end anywhere: what is done is marked in the rows. Any number of workers may have theirs at once.
    """

    def __init__(self, database: Database, phone_region: str) -> None:
        self._database, self._phone_region = database, phone_region
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("worker.lead_renormalizer")

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Round after round until stopped; a database that is away is waited for."""
        pauses = Backoff(FIRST_ROUND_SECONDS, LAST_ROUND_SECONDS)
        while not self._stopping.is_set():
            try:
                await self.round()
            except Exception as error:
                # What goes wrong here must not end the work for which the process is there.
                defect = None if isinstance(error, DatabaseUnavailable) else error
                self._log.warning("spelling_failed", reason=describe_error(error), exc_info=defect)
            await wait_for_event(self._stopping, pauses.pause())

    async def round(self) -> None:
        """Once over all leads."""
        last, total = 0, 0
        while not self._stopping.is_set():
            done, spelled = await renormalize(self._database, self._phone_region, last)
            total += spelled
            if done <= last:
                break
            last = done
            await wait_for_event(self._stopping, BREATH_SECONDS)
        if total:
            self._log.info("leads_spelled_anew", leads=total)
