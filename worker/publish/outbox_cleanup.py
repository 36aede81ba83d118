"""Deletes replies that are too old to publish, and counts the events that wait for a retry."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from distribution.ids import first_id_at
from distribution.store import clock, outbox
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from worker.publish.leased_rows import raise_unless_from_database

T = TypeVar("T")

STALE_AT_ONCE = 5_000


class OutboxCleanup:
    """Outbox work that is not urgent: if it fails, the lanes do not pause."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = structlog.get_logger("worker.publish.relay")

    async def delete_stale_replies(self, older_than: timedelta) -> int:
        """Delete some of the older replies; returns how many, 0 if there are no more."""

        async def deleted() -> int:
            async with self._database.reading() as conn:
                # By the database's clock: a process whose clock is ahead must not take all replies for old.
                first = first_id_at(await clock.now(conn) - older_than)
                if not await outbox.any_reply_before(conn, first):
                    return 0
            return await self._database.run(lambda conn: outbox.delete_replies_before(conn, first, STALE_AT_ONCE))

        return await self._try(deleted, 0)

    async def count_retries(self, most: int) -> int | None:
        """How many events wait for a retry; None if the database is unavailable."""

        async def counted() -> int | None:
            async with self._database.reading() as conn:
                return await outbox.count_retries(conn, most)

        return await self._try(counted, None)

    async def _try(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        try:
            return await work()
        except Exception as error:
            raise_unless_from_database(error)
            self._log.warning("outbox_not_tidied", reason=describe_error(error))
            return otherwise
