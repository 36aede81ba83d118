"""One batch through the business: repeated when it lost a race, split until the culprit stands alone."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from random import Random
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.errors import DistributionError
from distribution.messages import Incoming
from distribution.services.intake import Intake, take_in
from distribution.services.process import Arrival, failed_alone
from distribution.services.serve import serve_waiting
from distribution.store import outbox, probe
from distribution.store.commit import commit
from distribution.store.failures import Failure, classify, in_words
from distribution.store.outbox import Claim
from worker.points import Point, Watch, unwatched

T = TypeVar("T")


class DatabaseAway(DistributionError):
    """The database did not do its part; nothing that was asked is at fault."""

    code = "database_away"


class Batches:
    """Takes batches in; a batch that cannot be committed as a whole is committed in parts, in order."""

    def __init__(self, engine: AsyncEngine, random: Random, watch: Watch = unwatched) -> None:
        self._engine, self._random, self._watch = engine, random, watch
        self._log = structlog.get_logger("worker.batches")

    async def take(self, arrivals: Sequence[Arrival], claim: Claim | None, done: Sequence[UUID] = ()) -> list[Intake]:
        """Commit every arrival; raises DatabaseAway where the world is broken, with the finished part committed.

        `done`: events to forget in the same transaction, which needs one commit less than forgetting them apart.
        """
        try:
            intake = await self.commit(lambda conn: self._take_in(conn, arrivals, claim, done))
        except DatabaseAway:
            raise
        except Exception as error:
            culprit = error
        else:
            return await self._taken(intake)
        if len(arrivals) == 1:
            return [await self._give_up(arrivals[0], done, culprit)]
        middle = len(arrivals) // 2
        return [*await self.take(arrivals[:middle], claim, done), *await self.take(arrivals[middle:], claim, done)]

    async def _taken(self, intake: Intake) -> list[Intake]:
        self._watch(Point.AFTER_COMMIT, "")
        await self.serve(intake.unserved)
        return [intake]

    async def serve(self, source_ids: Collection[int]) -> None:
        """Serve waiting contacts of these sources in as many transactions as it takes."""
        more = bool(source_ids)
        while more:
            more = await self.commit(lambda conn: serve_waiting(conn, self._random, source_ids=source_ids))

    async def probe(self) -> None:
        """Raise DatabaseAway unless the database takes a write of the size of a batch."""
        await self.commit(probe.write)
        await self.commit(probe.clear)

    async def commit(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do work in one transaction; what the content is at fault for is raised as it is, all else as DatabaseAway."""
        try:
            return await commit(self._engine, self._random, work)
        except Exception as error:
            if classify(error) is Failure.CONTENT:
                raise
            raise DatabaseAway(in_words(error)) from error

    async def _take_in(
        self, conn: AsyncConnection, arrivals: Sequence[Arrival], claim: Claim | None, done: Sequence[UUID]
    ) -> Intake:
        await outbox.delete(conn, done)
        intake = await take_in(conn, arrivals, self._random, claim)
        self._watch(Point.BEFORE_COMMIT, "")
        return intake

    async def _give_up(self, arrival: Arrival, done: Sequence[UUID], error: Exception) -> Intake:
        """Park a message that fails on its own, so that it keeps nobody else from going through."""
        self._log.error("processing_failed", message_id=arrival.message.message_id, exc_info=error)
        rejected = failed_alone(error, arrival)
        try:
            return await self._park(Arrival(arrival.message, rejected), done)
        except DatabaseAway:
            raise
        except Exception as worse:
            # Whatever it carries that cannot even be parked, its body can: nothing may end the worker again and again.
            self._log.error("parked_without_properties", message_id=arrival.message.message_id, exc_info=worse)
            return await self._park(Arrival(Incoming(body=arrival.message.body), rejected), done)

    async def _park(self, arrival: Arrival, done: Sequence[UUID]) -> Intake:
        return await self.commit(lambda conn: self._take_in(conn, [arrival], None, done))
