"""Confirmed events leave the outbox with the next batch, so that forgetting them costs no transaction of its own."""

import asyncio
import sqlite3
from collections.abc import Sequence
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.intake.process_commands import DecodedMessage
from distribution.store.database import Database
from distribution.store.outbox import Claim
from distribution.store.tables import outbox
from distribution.store.transactions import reading
from tests import factories as made
from tests.clients import body, message
from tests.factories import count, open_source, refuse_lead
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until
from worker.consume.batch_committer import BatchCommitter
from worker.failpoints import Failpoint

NUMBER, TOGETHER = 300, 10
SOON_SECONDS = 5


def arrivals(keys: Sequence[str], external_id: str) -> list[DecodedMessage]:
    """Messages of one lead."""
    return [made.arrival(made.message(key, external_id, source="s")) for key in keys]


async def unconfirmed(engine: AsyncEngine) -> set[str | None]:
    """The submissions whose events are in the outbox."""
    async with reading(engine) as conn:
        return set(await conn.scalars(sa.select(outbox.c.correlation_id)))


async def test_a_batch_forgets_what_was_confirmed_before_it(engine: AsyncEngine) -> None:
    """One transaction deletes the events of the batch before and writes its own."""
    await open_source(engine, "s", {"Olga": (1, 100)})
    batches, claim = BatchCommitter(Database(engine, Random(1))), Claim(new_id(), 60)
    (first,) = await batches.commit_messages(arrivals(["a", "b"], "one"), claim)
    assert await unconfirmed(engine) == {"a", "b"}
    await batches.commit_messages(arrivals(["c"], "one"), claim, [publication.id for publication in first.publications])
    assert await unconfirmed(engine) == {"c"}


async def test_a_batch_that_is_split_forgets_too(engine: AsyncEngine) -> None:
    """Whichever of its parts go through, and even where none does."""
    await open_source(engine, "s", {"Olga": (1, 100)})
    await refuse_lead(engine, "poison")
    batches, claim = BatchCommitter(Database(engine, Random(1))), Claim(new_id(), 60)
    (first,) = await batches.commit_messages(arrivals(["a"], "one"), claim)
    (second,) = await batches.commit_messages(arrivals(["b"], "one"), claim, [p.id for p in first.publications])
    await batches.commit_messages(arrivals(["bad"], "poison"), claim, [p.id for p in second.publications])
    assert await unconfirmed(engine) == set()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_batch_goes_on_although_a_row_is_locked(engine: AsyncEngine) -> None:
    """What it could not forget, since somebody left a transaction open, is left in its list."""
    await open_source(engine, "s", {"Olga": (1, 100)})
    batches, claim = BatchCommitter(Database(engine, Random(1))), Claim(new_id(), 60)
    (first,) = await batches.commit_messages(arrivals(["a", "b"], "one"), claim)
    done = [publication.id for publication in first.publications]
    locked = done[0]
    async with engine.connect() as somebody:
        await somebody.execute(sa.delete(outbox).where(outbox.c.id == locked))
        async with asyncio.timeout(SOON_SECONDS):
            await batches.commit_messages(arrivals(["c"], "one"), claim, done)
        await somebody.rollback()
    assert done == [locked]
    await batches.commit_messages(arrivals(["d"], "one"), claim, done)
    assert (done, await unconfirmed(engine)) == ([], {"c", "d"})


class Locked:
    """The database refuses the first batch that would have forgotten something."""

    def __init__(self) -> None:
        self._forgets = False
        self.refused = False

    def see(self, point: Failpoint, _about: str) -> None:
        """Between a batch's first and last point nobody else forgets."""
        if point is Failpoint.TAKEN:
            self._forgets = False
        elif point is Failpoint.BEFORE_DELETE:
            self._forgets = True
        elif point is Failpoint.BEFORE_COMMIT and self._forgets and not self.refused:
            self.refused = True
            raise sa.exc.OperationalError(None, None, sqlite3.OperationalError("database is locked"))


async def test_what_a_failed_batch_would_have_forgotten_is_not_told_twice(world: WorkerHarness) -> None:
    """It is forgotten by another, before its lease ends and anybody publishes it again."""
    world.settings.worker_batch_size = TOGETHER
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(NUMBER)])
    locked = Locked()
    async with world.worker(locked.see):
        await world.subscriber.count(NUMBER)

        async def forgotten() -> bool:
            return await count(world.engine, outbox) == 0

        await until(forgotten)
    assert locked.refused
    assert len(world.subscriber.messages) == NUMBER
