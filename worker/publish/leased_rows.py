"""The outbox rows that this worker holds: claimed, kept while they are held, settled."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.errors import DatabaseUnavailable
from distribution.ids import first_id_at, new_id
from distribution.store import clock, leases, outbox
from distribution.store.database import Database
from distribution.store.db_errors import Failure, classify, describe_error
from distribution.store.outbox import Claim, Kind, Publication
from worker.failpoints import Failpoint, FailpointHook
from worker.publish.in_flight import LeasedPublication
from worker.publish.outbox_buffer import Unsettled
from worker.status import Status

T = TypeVar("T")

LEASE_SECONDS = 15.0
RECENT = timedelta(seconds=2)
AWAY_SECONDS = 2.0
FOLLOWERS_SECONDS = 5.0
LOCKED_SECONDS, LONG_LOCKED_SECONDS = 0.2, 2.0
"""When to try again what was locked: the claims of others lock rows for a moment. When to tell a person."""
STALE_AT_ONCE = 5_000
OUTBOX = "outbox"


class LeasedRows:
    """What the relay asks of the database; a database that is away is said once, and asked again after a pause.

    A row is its claimer's until its lease ends, by the database's clock; then anybody's. Here a lease is trusted only
    as long as this process's monotonic clock says that it cannot have ended, and renewed before.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        status: Status,
        random: Random,
        watch: FailpointHook,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database, self._status, self._watch = Database(engine, random), status, watch
        self._lease_seconds = lease_seconds
        self.renewed_before, self.renew_every = lease_seconds / 2, lease_seconds / 15
        """Seconds before its end that a lease is renewed, and between looks for such."""
        self._me = new_id()
        self._asked_again_at = self._followed_until = self._unlocked_at = 0.0
        self._locked_since = float("inf")
        self._is_news = False
        self.unsettled = Unsettled()
        self.is_joined = False
        self._log = structlog.get_logger("worker.publish.relay")

    @property
    def is_away(self) -> bool:
        """Whether the database is not to be asked now."""
        return time.monotonic() < self._asked_again_at

    @property
    def is_locked_due(self) -> bool:
        """Whether what was locked is to be deleted now."""
        return bool(self.unsettled.locked) and time.monotonic() >= self._unlocked_at

    def claim_now(self, *, replies: bool = True) -> Claim:
        """A claim whose lease begins when it is written, so no earlier than now."""
        return Claim(self._me, self._lease_seconds, time.monotonic(), replies)

    def expect_followers(self) -> None:
        """Events were written that have to wait for one before them: worth a look once something is deleted."""
        self._followed_until = time.monotonic() + FOLLOWERS_SECONDS

    def take_news(self, kind: Kind) -> bool:
        """Whether something was deleted that others of this kind may have waited for, since the last time."""
        if kind is not Kind.EVENT:
            return False
        news, self._is_news = self._is_news, False
        return news

    @contextmanager
    def lend_confirmed_ids(self) -> Iterator[list[UUID]]:
        """While a batch is at work: the rows that its transaction shall delete, so that this costs no own commit.

        The batch takes out of the list what it deleted. What is confirmed meanwhile is left for the next batch, or
        deleted once there is none.
        """
        done = self.unsettled.leaving = self.unsettled.take_done()
        left = list(done)
        if done:
            self._watch(Failpoint.BEFORE_DELETE, "")
        self.is_joined = True
        try:
            yield left
        except BaseException:
            self.unsettled.done |= done
            raise
        else:
            self._keep_locked(done, left)
        finally:
            self.is_joined, self.unsettled.leaving = False, {}
            self._deleted(done)

    async def claim(self, kind: Kind, limit: int, max_bytes: int, *, recent: bool) -> tuple[list[Publication], float]:
        """Claim what nobody has; returns it and until when it surely is ours.

        `recent`: only what was written just now, which is a cheap look at any time. All others (of processes with other
        clocks, of leases that ended) are found by a look at everything.
        """
        mine = self.claim_now()
        after = first_id_at(datetime.now(UTC) - RECENT) if recent else leases.EVERYTHING

        async def claimed() -> list[Publication]:
            async with self._database.reading() as conn:
                if not await leases.any_free(conn, kind, after):
                    return []
            return await self._commit(lambda conn: leases.claim(conn, kind, mine, limit, max_bytes, after))

        return await self._ask(claimed, []), mine.since + mine.seconds

    async def renew(self, held: Collection[LeasedPublication]) -> None:
        """Renew the leases of what is held and of what is not settled yet, where they end soon."""
        soon = time.monotonic() + self.renewed_before
        ending = {one.publication.id: one for one in held if one.until < soon}
        ids = [*ending, *(publication_id for publication_id, until in self.unsettled.leases() if until < soon)]
        if not ids or self.is_away:
            return
        mine = self.claim_now()
        until = mine.since + mine.seconds
        none: set[UUID] = set()
        renewed = await self._ask(lambda: self._commit(lambda conn: leases.renew(conn, mine, ids)), none)
        for publication_id in ending.keys() & renewed:
            ending[publication_id].until = until
        self.unsettled.renewed(renewed, until)

    async def settle(self, *, delete: bool) -> None:
        """Set aside what was not taken, release what cannot be held, delete what was locked before.

        `delete`: also delete what is confirmed. What is locked is not waited for, and settled another time.
        """
        if self.is_away:
            return
        done = self.unsettled.take_done() if delete else {}
        if self.is_locked_due:
            done |= self.unsettled.take_locked()
        aside, released = self.unsettled.take_aside(), self.unsettled.take_released()
        if not (done or aside or released):
            return
        if done:
            self._watch(Failpoint.BEFORE_DELETE, "")
        left: set[UUID] | None = None
        try:
            left = await self._ask(lambda: self._commit(lambda conn: _settle(conn, done, aside, released)), None)
        finally:
            if left is None:
                self.unsettled.put_back(done, aside, released)
            else:
                self._deleted(done)
                self._keep_locked(done, left & done.keys())
                self.unsettled.put_back({}, {key: aside[key] for key in left & aside.keys()}, left & released)

    async def delete_stale_replies(self, older_than: timedelta) -> int:
        """Delete some of the replies that nobody waits for any more; returns how many, 0 when there are no more."""

        async def deleted() -> int:
            async with self._database.reading() as conn:
                # A process whose clock is ahead must not take everybody's replies for old.
                first = first_id_at(await clock.now(conn) - older_than)
                if not await outbox.any_reply_before(conn, first):
                    return 0
            return await self._commit(lambda conn: outbox.delete_replies_before(conn, first, STALE_AT_ONCE))

        return await self._try(deleted, 0)

    async def count_retries(self, most: int) -> int | None:
        """How many events wait for another try; None if the database does not say."""

        async def counted() -> int | None:
            async with self._database.reading() as conn:
                return await outbox.count_retries(conn, most)

        return await self._try(counted, None)

    async def _commit(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        return await self._database.run(work)

    async def _ask(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What the database does not do here says nothing of the broker's connection, so it is not raised."""
        try:
            result = await work()
        except Exception as error:
            _raise_unless_the_databases(error)
            self._asked_again_at = time.monotonic() + AWAY_SECONDS
            reason = str(DatabaseUnavailable(describe_error(error)))
            self._status.set_unready(OUTBOX, reason)
            self._log.warning("outbox_unavailable", reason=reason)
            return otherwise
        self._status.set_ready(OUTBOX)
        return result

    async def _try(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Do what can wait: if it fails, the lanes need not pause for it."""
        try:
            return await work()
        except Exception as error:
            _raise_unless_the_databases(error)
            self._log.warning("outbox_not_tidied", reason=describe_error(error))
            return otherwise

    def _keep_locked(self, done: Mapping[UUID, float], left: Collection[UUID]) -> None:
        """Of what was done with, somebody else has these locked."""
        now = time.monotonic()
        if left:
            self.unsettled.locked |= {row_id: done[row_id] for row_id in left}
            self._unlocked_at, self._locked_since = now + LOCKED_SECONDS, min(self._locked_since, now)
        elif done and not self.unsettled.locked:
            self._locked_since = float("inf")
            self._status.clear_detail(OUTBOX)
        if now > self._locked_since + LONG_LOCKED_SECONDS:
            number = len(self.unsettled.locked)
            self._status.set_detail(OUTBOX, f"{number} published messages cannot be deleted: their rows are locked")

    def _deleted(self, done: Collection[UUID]) -> None:
        if done and time.monotonic() < self._followed_until:
            self._is_news = True


async def _settle(
    conn: AsyncConnection, done: Collection[UUID], aside: Mapping[UUID, tuple[float, float]], released: Collection[UUID]
) -> set[UUID]:
    """Returns what somebody else has locked."""
    pauses: dict[float, list[UUID]] = defaultdict(list)
    for publication_id, (pause, _) in aside.items():
        pauses[pause].append(publication_id)
    left = await outbox.delete_unlocked(conn, list(done))
    left += await leases.set_aside(conn, pauses)
    left += await leases.release(conn, list(released))
    return set(left)


def _raise_unless_the_databases(error: Exception) -> None:
    """What the database refuses (by an owner's trigger, say) is its own doing too; a wrong statement is ours."""
    is_refused = isinstance(error, DBAPIError) and classify(error) is Failure.CONTENT
    if not (is_refused or isinstance(error, DatabaseUnavailable)):
        raise error
