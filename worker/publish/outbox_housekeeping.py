"""Deletes replies that are too old to publish, and counts the events that wait for a retry."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from distribution.ids import first_id_at
from distribution.store import clock, outbox
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from worker.publish.leased_rows import raise_unless_from_database

STALE_AT_ONCE = 5_000


class OutboxHousekeeping:
    """Outbox work that is not urgent: if it fails, the lanes do not pause."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = structlog.get_logger("worker.publish.relay")

    async def delete_stale_replies(self, older_than: timedelta) -> int:
        """Delete some of the older replies; returns how many, 0 if there are no more."""
        number = 0
        with self._failure_reported():
            async with self._database.reading() as conn:
                # By the database's clock: a process whose clock is ahead must not take all replies for old.
                first = first_id_at(await clock.now(conn) - older_than)
                is_any = await outbox.any_reply_before(conn, first)
            if is_any:
                number = await self._database.run(lambda conn: outbox.delete_replies_before(conn, first, STALE_AT_ONCE))
        return number

    async def count_retries(self, most: int) -> int | None:
        """How many events wait for a retry; None if the database is unavailable."""
        number = None
        with self._failure_reported():
            async with self._database.reading() as conn:
                number = await outbox.count_retries(conn, most)
        return number

    @contextmanager
    def _failure_reported(self) -> Iterator[None]:
        """End the block at a failure of the database, which is logged."""
        try:
            yield
        except Exception as error:  # whatever is a defect of ours is raised again
            raise_unless_from_database(error)
            self._log.warning("outbox_not_tidied", reason=describe_error(error))
