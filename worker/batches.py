"""One batch through the business: repeated when it lost a race, split until the culprit stands alone."""

import asyncio
from collections.abc import Sequence
from random import Random

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import DistributionError, MessageRejected, ParkedCode
from distribution.services.intake import Arrival, Intake, take_in
from distribution.store.engine import transaction
from distribution.store.failures import Failure, classify, in_words
from distribution.store.outbox import Claim

RACES = 10
FIRST_PAUSE_SECONDS = 0.01


class DatabaseAway(DistributionError):
    """The database did not do its part; nothing of the batch is at fault."""

    code = "database_away"


class Batches:
    """Takes batches in; a batch that cannot be committed as a whole is committed in parts, in order."""

    def __init__(self, engine: AsyncEngine, random: Random) -> None:
        self._engine, self._random = engine, random
        self._log = structlog.get_logger("worker.batches")

    async def take(self, arrivals: Sequence[Arrival], claim: Claim | None) -> list[Intake]:
        """Commit every arrival; raises DatabaseAway where the world is broken, with the finished part committed."""
        try:
            return [await self._commit(arrivals, claim)]
        except DatabaseAway:
            raise
        except Exception as error:
            if len(arrivals) == 1:
                return [await self._give_up(arrivals[0], error)]
            middle = len(arrivals) // 2
            return [*await self.take(arrivals[:middle], claim), *await self.take(arrivals[middle:], claim)]

    async def _commit(self, arrivals: Sequence[Arrival], claim: Claim | None) -> Intake:
        for attempt in range(RACES):
            try:
                async with transaction(self._engine) as conn:
                    return await take_in(conn, arrivals, self._random, claim)
            except Exception as error:
                match classify(error):
                    case Failure.CONTENT:
                        raise
                    case Failure.WORLD:
                        raise DatabaseAway(in_words(error)) from error
                    case Failure.RACE:
                        self._log.info("batch_repeated", reason=in_words(error), attempt=attempt + 1)
                        await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * self._random.random())
        raise DatabaseAway(f"the batch lost {RACES} races in a row")

    async def _give_up(self, arrival: Arrival, error: Exception) -> Intake:
        """Park a message that fails on its own, so that it keeps nobody else from going through."""
        self._log.error("processing_failed", message_id=arrival.message.message_id, exc_info=error)
        detail = f"It failed on its own ({type(error).__name__}); the worker's log has more. Replay it once mended."
        source = None if isinstance(arrival.command, MessageRejected) else arrival.command.source
        rejected = MessageRejected(ParkedCode.PROCESSING_FAILED, detail, source=source)
        return await self._commit([Arrival(arrival.message, rejected)], None)
