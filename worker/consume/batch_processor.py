"""One batch through the business: repeated when it lost a race, split around what is locked or cannot be done."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.batch import BatchResult, process_batch
from distribution.intake.process_commands import DecodedMessage, contacts_named, failed_alone, source_of
from distribution.messages import Incoming
from distribution.store import lock_diagnostics, outbox, sources
from distribution.store.database import Database, Work
from distribution.store.outbox import Claim
from worker.consume.batch_progress import BatchProgress, Told
from worker.consume.lock_wait_monitor import LockWait
from worker.failpoints import Failpoint, FailpointHook, no_failpoints

T = TypeVar("T")

LOCK_SECONDS = 0.7
"""How long a batch waits for a lock: as long as a few other workers' batches take, and less than others notice."""
RETRY_LOCK_SECONDS = 0.1
"""The same if the others' messages have waited once already."""
QUEUE_SECONDS = (1.0, 3.0, 3.0, 3.0)
"""The same, try by try, in a queue of short transactions. The first is short: who holds it may turn out to keep it."""


class BatchProcessor:
    """Takes batches in; a batch that cannot be committed as a whole is committed in parts, in order."""

    def __init__(self, database: Database, watch: FailpointHook = no_failpoints) -> None:
        self._database, self._watch = database, watch
        self._log = structlog.get_logger("worker.consume.batch_processor")

    async def take(
        self,
        arrivals: Sequence[DecodedMessage],
        claim: Claim | None,
        done: list[UUID] | None = None,
        told: Told | None = None,
    ) -> list[BatchResult]:
        """Commit every arrival, except those whose source somebody else keeps locked.

        `told` hears of each part as soon as it is committed. `done`: events to delete in the same transaction, which
        saves a commit; those that could not be deleted because they are locked are left in the list. Raises
        DatabaseUnavailable if nothing more can be committed.
        """
        parts, done = BatchProgress(arrivals, told), [] if done is None else done
        try:
            await self._together(arrivals, claim, done, parts.note, LOCK_SECONDS)
        except LockedByOthers as locked:
            done[:] = await self.commit(lambda conn: outbox.delete_unlocked(conn, done))
            await self._around_locks(parts, claim, locked.held)
        return parts.intakes

    async def take_at_once(
        self,
        arrivals: Sequence[DecodedMessage],
        claim: Claim | None,
        told: Told | None = None,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        """Commit every arrival; raises Locked if that takes a lock that somebody else holds for longer."""
        await self._together(arrivals, claim, [], told, lock_seconds)

    async def sources_of(self, arrivals: Sequence[DecodedMessage]) -> list[str | None]:
        """The source of each, as far as it has one that is known."""
        ids = contacts_named(arrivals)
        by_contact = await self._read(lambda conn: sources.codes_of_contacts(conn, ids)) if ids else {}
        return [source_of(arrival, by_contact) for arrival in arrivals]

    async def locked_sources(self, codes: Collection[str]) -> set[str]:
        """Those of the sources that somebody holds locks of."""
        return await self._read(lambda conn: lock_diagnostics.locked_sources(conn, codes))

    async def serve(self, source_ids: Collection[int]) -> None:
        """Serve waiting contacts of these sources in as many transactions as it takes."""
        await assign_all_waiting(self.commit, self._database.random, source_ids)

    async def commit(self, work: Work[T]) -> T:
        """Do work in one transaction; errors of the content are raised as they are, all others as DatabaseUnavailable.

        LockedByOthers: another transaction keeps a lock, or a turn in a queue of short transactions did not come.
        """
        for patience in (LOCK_SECONDS, *QUEUE_SECONDS[:-1]):
            try:
                return await self.try_commit(work, patience)
            except LockedByOthers as locked:
                if locked.held:
                    raise
        return await self.try_commit(work, QUEUE_SECONDS[-1])

    async def try_commit(self, work: Work[T], lock_seconds: float) -> T:
        """The same without patience: Locked if a lock cannot be had within `lock_seconds`."""
        wait = LockWait(self._is_held_long, lock_seconds)

        async def limited(conn: AsyncConnection) -> T:
            wait.pid = await lock_diagnostics.limit_wait(conn, lock_seconds)
            return await work(conn)

        try:
            async with wait.watched():
                return await self._database.run(limited)
        except LockedByOthers as locked:
            locked.held = wait.held
            raise

    async def _is_held_long(self, pid: int) -> bool | None:
        return await self._read(lambda conn: lock_diagnostics.is_held_long(conn, pid))

    async def _around_locks(self, parts: BatchProgress, claim: Claim | None, held: bool | None) -> None:
        """Commit what is not kept locked: first all sources together that seem free, then those that many want in turn.

        If that fails, the free ones one after the other.
        """
        table = await self._read(lock_diagnostics.locked_table)
        if table:
            raise DatabaseUnavailable(table)
        left = list(parts.left.values())
        codes = dict(zip(map(id, left), await self.sources_of(left), strict=True))
        locked = await self.locked_sources({code for code in codes.values() if code})
        free = [arrival for arrival in left if codes[id(arrival)] not in locked]
        if len(free) < len(left):
            with suppress(LockedByOthers):
                await self._together(free, claim, [], parts.note, RETRY_LOCK_SECONDS)
        if not held:
            await self._in_turn(parts, claim)
        for code in dict.fromkeys(codes[id(arrival)] for arrival in free):
            group = [arrival for arrival in parts.left.values() if codes[id(arrival)] == code]
            with suppress(LockedByOthers):
                await self._together(group, claim, [], parts.note, RETRY_LOCK_SECONDS)

    async def _in_turn(self, parts: BatchProgress, claim: Claim | None) -> None:
        """Commit what is left, patiently, as long as nobody keeps its locks."""
        for patience in QUEUE_SECONDS:
            try:
                await self._together([*parts.left.values()], claim, [], parts.note, patience)
            except LockedByOthers as locked:
                if locked.held:
                    return
            else:
                return

    async def _together(
        self,
        arrivals: Sequence[DecodedMessage],
        claim: Claim | None,
        done: list[UUID],
        told: Told | None,
        lock_seconds: float,
    ) -> None:
        """Commit in one transaction; where a message's content is at fault, in halves until it stands alone."""
        if not arrivals:
            return
        try:
            intake = await self._take_in(arrivals, claim, done, lock_seconds)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            culprit = error
        else:
            await self._finish(arrivals, intake, told)
            return
        if len(arrivals) == 1:
            await self._finish(arrivals, await self._give_up(arrivals[0], done, culprit, lock_seconds), told)
            return
        middle = len(arrivals) // 2
        for half in (arrivals[:middle], arrivals[middle:]):
            await self._together(half, claim, done, told, lock_seconds)

    async def _finish(self, arrivals: Sequence[DecodedMessage], intake: BatchResult, told: Told | None) -> None:
        self._watch(Failpoint.AFTER_COMMIT, "")
        if told is not None:
            await told(arrivals, intake)
        with suppress(DatabaseUnavailable):  # the sweeper serves whom this leaves waiting
            await self.serve(intake.unserved)

    async def _take_in(
        self, arrivals: Sequence[DecodedMessage], claim: Claim | None, done: list[UUID], lock_seconds: float
    ) -> BatchResult:
        """In one transaction; once it is committed, nothing is left in `done`."""

        async def taken_in(conn: AsyncConnection) -> BatchResult:
            await outbox.delete(conn, done)
            intake = await process_batch(conn, arrivals, self._database.random, claim)
            self._watch(Failpoint.BEFORE_COMMIT, "")
            return intake

        intake = await self.try_commit(taken_in, lock_seconds)
        done.clear()
        return intake

    async def _give_up(
        self, arrival: DecodedMessage, done: list[UUID], error: Exception, lock_seconds: float
    ) -> BatchResult:
        """Park a message that fails on its own, so that it keeps nobody else from going through."""
        self._log.error("processing_failed", message_id=arrival.message.message_id, exc_info=error)
        rejected = failed_alone(arrival)
        try:
            return await self._take_in([DecodedMessage(arrival.message, rejected)], None, done, lock_seconds)
        except DatabaseUnavailable:
            raise
        except Exception as worse:
            # Whatever it carries that cannot even be parked, its body can: nothing may end the worker again and again.
            self._log.error("parked_without_properties", message_id=arrival.message.message_id, exc_info=worse)
            bare = Incoming(
                body=arrival.message.body,
                body_size=arrival.message.body_size,
                body_digest=arrival.message.body_digest,
            )
            return await self._take_in([DecodedMessage(bare, rejected)], None, done, lock_seconds)

    async def _read(self, question: Work[T]) -> T:
        async with self._database.reading() as conn:
            return await question(conn)
