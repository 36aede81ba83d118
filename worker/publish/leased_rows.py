"""The outbox rows that this worker leases: claims, renews and settles them."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import DatabaseUnavailable
from distribution.ids import first_id_at, new_id
from distribution.store import outbox, outbox_leases
from distribution.store.database import Database
from distribution.store.db_errors import Failure, classify, describe_error
from distribution.store.outbox import Claim, Kind, Publication
from worker.failpoints import Failpoint, FailpointHook
from worker.publish.in_flight import LeasedPublication
from worker.publish.lane_state_machine import LEASE_SECONDS, ClaimRequest
from worker.publish.unsettled_rows import Settlement, UnsettledRows
from worker.readiness import Readiness

RECENT = timedelta(seconds=2)
BACKOFF_SECONDS = 2.0
OUTBOX = "outbox"


class LeasedRows:
    """Executes the lanes' decisions in the database; reports an unavailable database, and retries later.

    A row belongs to its claimer until the lease ends, by the database's clock; then any worker may claim it. Here a
    lease is trusted only while this process's monotonic clock shows that it cannot have ended, and renewed before.
    """

    def __init__(
        self,
        database: Database,
        readiness: Readiness,
        at_failpoint: FailpointHook,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database, self._readiness, self._at_failpoint = database, readiness, at_failpoint
        self.lease_seconds = lease_seconds
        self._me = new_id()
        self._retry_at = float("-inf")
        self.unsettled = UnsettledRows()
        self._log = structlog.get_logger("worker.publish.relay")

    @property
    def is_backing_off(self) -> bool:
        """Whether the database failed just now, so that it is not used yet."""
        return time.monotonic() < self._retry_at

    def claim_now(self, *, replies: bool = True) -> Claim:
        """A claim whose lease begins when it is written, so no earlier than now."""
        return Claim(self._me, self.lease_seconds, time.monotonic(), replies)

    def expect_followers(self) -> None:
        """Events were written that wait for an earlier one: once a row is deleted, polling is worthwhile."""
        self.unsettled.expect_followers(time.monotonic())

    @contextmanager
    def lend_confirmed_ids(self) -> Iterator[list[UUID]]:
        """Lend the ids of confirmed rows to the running batch, whose transaction deletes them.

        The batch removes from the list what it deleted. Rows confirmed meanwhile are left for the next batch, or
        deleted once there is none.
        """
        left = self.unsettled.lend()
        try:
            if left:
                self._at_failpoint(Failpoint.BEFORE_DELETE, "")
            yield left
        except BaseException:  # a cancellation, too
            self.unsettled.take_back(None, time.monotonic())
            raise
        self.unsettled.take_back(left, time.monotonic())
        self._report_locked()

    async def claim(self, kind: Kind, request: ClaimRequest) -> tuple[list[Publication], float]:
        """Claim free rows; returns them and when their lease ends.

        Recent rows are cheap to poll at any time. All others (of processes with other clocks, of leases that ended)
        take a poll of everything.
        """
        mine = self.claim_now()
        after = first_id_at(datetime.now(UTC) - RECENT) if request.recent else outbox_leases.EVERYTHING
        claimed: list[Publication] = []
        with self._failure_reported():
            async with self._database.reading() as conn:
                is_any_free = await outbox_leases.any_free(conn, kind, after)
            if is_any_free:
                claimed = await self._database.run(
                    lambda conn: outbox_leases.claim(conn, kind, mine, request.limit, request.max_bytes, after)
                )
        return claimed, mine.since + mine.seconds

    async def renew(self, held: Collection[LeasedPublication]) -> None:
        """Renew the leases of `held` and of unsettled rows, if they end soon."""
        soon = time.monotonic() + self.lease_seconds / 2
        ending = {leased.publication.id: leased for leased in held if leased.until < soon}
        ids = [*ending, *(row_id for row_id, until in self.unsettled.leases() if until < soon)]
        if not ids or self.is_backing_off:
            return
        mine = self.claim_now()
        until = mine.since + mine.seconds
        renewed: set[UUID] = set()
        with self._failure_reported():
            renewed = await self._database.run(lambda conn: outbox_leases.renew(conn, mine, ids))
        for row_id in ending.keys() & renewed:
            ending[row_id].until = until
        self.unsettled.renewed(renewed, until)

    async def settle(self, settlement: Settlement) -> None:
        """Delete, quarantine and release rows; locked rows are not waited for, but settled later."""
        left: set[UUID] | None = None
        try:
            if settlement.confirmed:
                self._at_failpoint(Failpoint.BEFORE_DELETE, "")
            with self._failure_reported():
                left = await self._database.run(lambda conn: _settle(conn, settlement))
        finally:
            if left is None:
                self.unsettled.not_settled(settlement)
            else:
                self.unsettled.settled(settlement, left, time.monotonic())
                self._report_locked()

    @contextmanager
    def _failure_reported(self) -> Iterator[None]:
        """End the block at a failure of the database, which is reported: it must not end the broker connection."""
        try:
            yield
        except Exception as error:  # whatever is a defect of ours is raised again
            raise_unless_from_database(error)
            self._retry_at = time.monotonic() + BACKOFF_SECONDS
            reason = str(DatabaseUnavailable(describe_error(error)))
            self._readiness.set_unready(OUTBOX, reason)
            self._log.warning("outbox_unavailable", reason=reason)
        else:
            self._readiness.set_ready(OUTBOX)

    def _report_locked(self) -> None:
        if number := self.unsettled.long_locked(time.monotonic()):
            self._readiness.set_detail(OUTBOX, f"{number} published messages cannot be deleted: their rows are locked")
        elif not self.unsettled.locked:
            self._readiness.set_detail(OUTBOX, "")


async def _settle(conn: AsyncConnection, settlement: Settlement) -> set[UUID]:
    """Returns the rows that another transaction has locked."""
    pauses: dict[float, list[UUID]] = defaultdict(list)
    for row_id, quarantine in settlement.quarantined.items():
        pauses[quarantine.pause].append(row_id)
    left = await outbox.delete_unlocked(conn, list(settlement.confirmed))
    left += await outbox_leases.postpone(conn, pauses)
    left += await outbox_leases.release(conn, list(settlement.released))
    return set(left)


def raise_unless_from_database(error: Exception) -> None:
    """Raise our own defects; what the database refuses (by an owner's trigger, say) counts as its failure."""
    is_refused = isinstance(error, DBAPIError) and classify(error) is Failure.BAD_DATA
    if not (is_refused or isinstance(error, DatabaseUnavailable)):
        raise error
