"""Many workers want the locks of one source in turn: nobody keeps them, so nobody's messages are set aside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count as count_up
from json import dumps
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import LockedByOthers
from distribution.intake.decoder import Decoder
from distribution.intake.process_commands import DecodedMessage
from distribution.messages import Incoming
from distribution.store.database import Database
from distribution.store.operator_pool import lock_pool
from distribution.store.tables import contacts
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS, body
from tests.factories import count
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.integration.worker.locked_rows import held, open_both, send, until_made
from tests.polling import until
from worker.consume.batch_committer import BatchCommitter

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

WORKERS, BATCH_SECONDS = 10, 0.2


async def make_slow(engine: AsyncEngine) -> None:
    """Let each transaction that makes contacts of web keep its locks for a while."""
    async with transaction(engine) as conn:
        await conn.execute(
            sa.text(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF EXISTS (SELECT FROM made m JOIN sources s ON s.id = m.source_id WHERE s.code = 'web')"
                f" THEN PERFORM pg_sleep({BATCH_SECONDS}); END IF; RETURN NULL; END $$"
            )
        )
        await conn.execute(
            sa.text(
                "CREATE TRIGGER dawdle AFTER INSERT ON contacts REFERENCING NEW TABLE AS made"
                " FOR EACH STATEMENT EXECUTE FUNCTION dawdle()"
            )
        )


def arrivals(source: str, *keys: str) -> list[DecodedMessage]:
    """Submissions with these keys."""
    return [Decoder(10_000).decode(Incoming(dumps(body(source, key)).encode(), message_id=key)) for key in keys]


async def test_ten_workers_on_one_source(world: WorkerHarness) -> None:
    """Each gets its turn with all of its messages, however long the queue is."""
    await open_both(world)
    await make_slow(world.engine)

    async def take(worker: int) -> int:
        batches = BatchCommitter(Database(world.engine, Random(worker)))
        taken = [await batches.commit_messages(arrivals("web", f"{worker}-{turn}"), None) for turn in range(2)]
        return sum(len(intakes) for intakes in taken)

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*map(take, range(WORKERS))) == [2] * WORKERS
    assert await count(world.engine, contacts) == 2 * WORKERS


async def test_what_is_not_a_batch_gets_its_turn(world: WorkerHarness) -> None:
    """Deferred messages and who waits for a place are served while ten workers want the same source."""
    await open_both(world)
    await make_slow(world.engine)
    async with others_at_work(world):
        for _ in range(2):
            batches = BatchCommitter(Database(world.engine, Random(0)))
            pool = await batches.commit(lambda conn: lock_pool(conn, codes={"web"}))
    assert [source.code for source in pool.sources.values()] == ["web"]


@asynccontextmanager
async def others_at_work(world: WorkerHarness, *, set_aside: bool = False) -> AsyncIterator[None]:
    """Other workers that always have a batch of web; one that is set aside is an error unless that is expected."""
    stopping = asyncio.Event()

    async def work(worker: int) -> None:
        batches = BatchCommitter(Database(world.engine, Random(worker)))
        for turn in count_up():
            if stopping.is_set():
                return
            with suppress(*[LockedByOthers] if set_aside else []):
                await batches.commit_messages(arrivals("web", f"other-{worker}-{turn}"), None)

    async with asyncio.TaskGroup() as group:
        for worker in range(WORKERS - 1):
            group.create_task(work(worker))
        try:
            yield
        finally:
            stopping.set()


async def until_done(world: WorkerHarness, number: int) -> None:
    """Wait for so many contacts of web that are not the other workers'."""
    query = sa.select(sa.func.count()).select_from(contacts).where(contacts.c.message_id.like("web-%"))

    async def are_done() -> bool:
        async with reading(world.engine) as conn:
            return await conn.scalar(query) == number

    await until(are_done, PATIENCE_SECONDS)


async def test_a_busy_source_is_not_locked(world: WorkerHarness) -> None:
    """A worker among ten does its messages of the busy source, sets none aside, and is ready all the while."""
    world.settings.worker_batch_size = 5
    await open_both(world)
    await make_slow(world.engine)
    async with world.worker() as address, others_at_work(world):
        pages = HealthPages(address)
        await send(world, "web", 0, 10)
        seen = [await pages.ready_and_details()]
        done = asyncio.ensure_future(until_done(world, 10))
        while not done.done():
            seen.append(await pages.ready_and_details())
            await asyncio.wait({done}, timeout=0.2)
        await done
    assert [each for each in seen if each != ({}, {})] == []


async def test_a_busy_source_beside_a_locked_one(world: WorkerHarness) -> None:
    """While somebody keeps another source locked, the busy one gets its turn all the same.

    The worker's first batch has messages of both and waits for the locked one: that may last too long for the others.
    """
    world.settings.worker_batch_size = 5
    await open_both(world)
    await make_slow(world.engine)
    async with world.worker() as address, others_at_work(world, set_aside=True):
        pages = HealthPages(address)
        async with held(world.engine, "operators", "name = 'Ivan'"):
            await send(world, "shop", 0, 5)
            await send(world, "web", 0, 5)
            await until_done(world, 5)
            assert "shop" in (await pages.details())["locks"]
            assert await pages.problems() == {}
        await until_made(world, "shop", 5)
