"""Commits one batch of messages: retried after lost races, split around locked sources and failing messages."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.batch import BatchResult, process_batch
from distribution.intake.process_commands import DecodedMessage, contacts_named, failed_alone, source_of
from distribution.messages import Incoming
from distribution.store import lock_waits, outbox, sources
from distribution.store.database import Database, Work
from distribution.store.db_errors import Failure, classify, describe_error
from distribution.store.outbox import Claim
from worker.consume.batch_progress import BatchProgress, OnCommit
from worker.consume.lock_wait_monitor import LockWaitMonitor
from worker.failpoints import Failpoint, FailpointHook, no_failpoints

T = TypeVar("T")

LOCK_SECONDS = 0.7
"""How long a batch waits for a lock: as long as a few other workers' batches take, and less than others notice."""
RETRY_LOCK_SECONDS = 0.1
"""The same if the messages of the other sources have waited once already."""
QUEUE_SECONDS = (1.0, 3.0, 3.0, 3.0)
"""The same per attempt while short transactions take turns. The first is short: one may turn out to keep the lock."""


class BatchCommitter:
    """Commits batches; one that cannot be committed as a whole is committed in parts, in order."""

    def __init__(self, database: Database, at_failpoint: FailpointHook = no_failpoints) -> None:
        self._database, self._at_failpoint = database, at_failpoint
        self.defect = ""
        """Why a message of the last batch was parked if a statement of ours is wrong, which more messages may meet."""
        self._log = structlog.get_logger("worker.consume.batch_committer")

    async def commit_messages(
        self,
        messages: Sequence[DecodedMessage],
        claim: Claim | None,
        confirmed_ids: list[UUID] | None = None,
        on_commit: OnCommit | None = None,
    ) -> list[BatchResult]:
        """Commit every message, except those whose source another transaction keeps locked.

        `on_commit` is called after each part that is committed. `confirmed_ids`: events to delete in the same
        transaction, which saves a commit; those that are locked and could not be deleted stay in the list. Raises
        DatabaseUnavailable if nothing more can be committed.
        """
        confirmed_ids = [] if confirmed_ids is None else confirmed_ids
        progress = BatchProgress(messages, claim, on_commit, confirmed_ids)
        self.defect = ""
        try:
            await self._commit_or_split(progress, messages, LOCK_SECONDS)
        except LockedByOthers as locked:
            confirmed_ids[:] = await self.commit(lambda conn: outbox.delete_unlocked(conn, confirmed_ids))
            progress.confirmed_ids = []
            await self._commit_around_locks(progress, locked.held)
        return progress.results

    async def commit_all(
        self,
        messages: Sequence[DecodedMessage],
        claim: Claim | None,
        on_commit: OnCommit | None = None,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        """Commit every message; raises LockedByOthers if another transaction holds a lock for over `lock_seconds`."""
        await self._commit_or_split(BatchProgress(messages, claim, on_commit, []), messages, lock_seconds)

    async def sources_of(self, messages: Sequence[DecodedMessage]) -> list[str | None]:
        """The source of each message; None if it has none or an unknown one."""
        ids = contacts_named(messages)
        by_contact = await self._read(lambda conn: sources.codes_of_contacts(conn, ids)) if ids else {}
        return [source_of(decoded, by_contact) for decoded in messages]

    async def locked_sources(self, codes: Collection[str]) -> set[str]:
        """Those of the sources that another transaction has locked."""
        return await self._read(lambda conn: lock_waits.locked_sources(conn, codes))

    async def serve(self, source_ids: Collection[int]) -> None:
        """Assign waiting contacts of these sources, in as many transactions as needed."""
        await assign_all_waiting(self.commit, self._database.random, source_ids)

    async def commit(self, work: Work[T]) -> T:
        """Do work in one transaction; errors of the content are raised unchanged, all others as DatabaseUnavailable.

        LockedByOthers: another transaction keeps a lock, or short transactions did in turn for too long.
        """
        return await _try_longer(partial(self.try_commit, work), (LOCK_SECONDS, *QUEUE_SECONDS))

    async def try_commit(self, work: Work[T], lock_seconds: float) -> T:
        """The same in one attempt; raises LockedByOthers if a lock is not acquired within `lock_seconds`."""
        wait = LockWaitMonitor(self._is_held_long, lock_seconds)

        async def limited(conn: AsyncConnection) -> T:
            wait.pid = await lock_waits.limit_wait(conn, lock_seconds)
            return await work(conn)

        try:
            async with wait.watched():
                return await self._database.run(limited)
        except LockedByOthers as locked:
            locked.held = wait.held
            raise

    async def _is_held_long(self, pid: int) -> bool | None:
        return await self._read(lambda conn: lock_waits.is_held_long(conn, pid))

    async def _commit_around_locks(self, progress: BatchProgress, held: bool | None) -> None:
        """Commit what is not kept locked: first all sources that seem free together; then all, if many take turns.

        If that fails, the free sources one after the other.
        """

        async def commit_left(lock_seconds: float) -> None:
            await self._commit_or_split(progress, [*progress.left.values()], lock_seconds)

        table = await self._read(lock_waits.locked_table)
        if table:
            raise DatabaseUnavailable(table)
        left = list(progress.left.values())
        codes = dict(zip(map(id, left), await self.sources_of(left), strict=True))
        locked = await self.locked_sources({code for code in codes.values() if code})
        free = [decoded for decoded in left if codes[id(decoded)] not in locked]
        if len(free) < len(left):
            with suppress(LockedByOthers):  # the steps that follow try the same messages again
                await self._commit_or_split(progress, free, RETRY_LOCK_SECONDS)
        if not held:
            with suppress(LockedByOthers):  # the free sources are tried once more below
                await _try_longer(commit_left, QUEUE_SECONDS)
        for code in dict.fromkeys(codes[id(decoded)] for decoded in free):
            group = [decoded for decoded in progress.left.values() if codes[id(decoded)] == code]
            with suppress(LockedByOthers):  # the caller sets aside what is left
                await self._commit_or_split(progress, group, RETRY_LOCK_SECONDS)

    async def _commit_or_split(
        self, progress: BatchProgress, messages: Sequence[DecodedMessage], lock_seconds: float
    ) -> None:
        """Commit in one transaction; if a message's content is at fault, in halves until that message is alone."""
        if not messages:
            return
        try:
            result = await self._commit_once(messages, progress.claim, progress.confirmed_ids, lock_seconds)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # of any kind: it is content that no check foresaw
            culprit = error
        else:
            await self._after_commit(progress, messages, result)
            return
        if len(messages) == 1:
            result = await self._park(messages[0], progress.confirmed_ids, culprit, lock_seconds)
            await self._after_commit(progress, messages, result)
            return
        middle = len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            await self._commit_or_split(progress, half, lock_seconds)

    async def _after_commit(
        self, progress: BatchProgress, messages: Sequence[DecodedMessage], result: BatchResult
    ) -> None:
        self._at_failpoint(Failpoint.AFTER_COMMIT, "")
        await progress.note(messages, result)
        with suppress(DatabaseUnavailable):  # the periodic sweep assigns what is left waiting
            await self.serve(result.unserved)

    async def _commit_once(
        self, messages: Sequence[DecodedMessage], claim: Claim | None, confirmed_ids: list[UUID], lock_seconds: float
    ) -> BatchResult:
        """Commit in one transaction, then empty `confirmed_ids`."""

        async def write(conn: AsyncConnection) -> BatchResult:
            await outbox.delete(conn, confirmed_ids)
            result = await process_batch(conn, messages, self._database.random, claim)
            self._at_failpoint(Failpoint.BEFORE_COMMIT, "")
            return result

        result = await self.try_commit(write, lock_seconds)
        confirmed_ids.clear()
        return result

    async def _park(
        self, decoded: DecodedMessage, confirmed_ids: list[UUID], error: Exception, lock_seconds: float
    ) -> BatchResult:
        """Park a message that fails even alone, so that it does not block the others."""
        self._log.error("processing_failed", message_id=decoded.message.message_id, exc_info=error)
        if classify(error) is Failure.DEFECT:
            self.defect = describe_error(error)
        rejected = failed_alone(decoded)
        try:
            return await self._commit_once(
                [DecodedMessage(decoded.message, rejected)], None, confirmed_ids, lock_seconds
            )
        except DatabaseUnavailable:
            raise
        except Exception as parking_error:
            # If its properties cannot be stored, the body can: no message may end one worker after the other.
            self._log.error("parked_without_properties", message_id=decoded.message.message_id, exc_info=parking_error)
            sent = decoded.message
            bare = Incoming(body=sent.body, body_size=sent.body_size, body_digest=sent.body_digest)
            return await self._commit_once([DecodedMessage(bare, rejected)], None, confirmed_ids, lock_seconds)

    async def _read(self, query: Work[T]) -> T:
        async with self._database.reading() as conn:
            return await query(conn)


async def _try_longer(attempt: Callable[[float], Awaitable[T]], waits: Sequence[float]) -> T:
    """Attempt with one lock timeout after the other, unless another transaction keeps the lock."""
    for lock_seconds in waits[:-1]:
        try:
            return await attempt(lock_seconds)
        except LockedByOthers as locked:
            if locked.held:
                raise
    return await attempt(waits[-1])
