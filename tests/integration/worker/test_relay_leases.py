"""Rows that a relay holds stay its own for as long as it holds them, however long a batch takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest
import sqlalchemy as sa

from devservices.broker import Broker
from distribution.store import clock
from distribution.store.database import Database
from distribution.store.tables import outbox
from distribution.store.transactions import reading
from tests import factories as made
from tests.broker_setup import worker_connection
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.published import NUMBER, Published
from tests.polling import until
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness

SHORT_SECONDS, LONG_SECONDS = 1.5, 60.0


@asynccontextmanager
async def serving(
    world: WorkerHarness, url: str, published: Published, lease_seconds: float, readiness: Readiness | None = None
) -> AsyncIterator[Relay]:
    """A relay at work."""
    database = Database(world.engine, Random(1))
    relay = Relay(database, world.topology, readiness or Readiness(), Metrics(), published.see, lease_seconds)
    async with await worker_connection(url) as connection:
        work = asyncio.create_task(relay.serve(connection))

        async def connected() -> bool:
            return relay.inbox.claim() is not None

        try:
            await until(connected)
            yield relay
        finally:
            relay.stop()
            await work


async def lease_ends(world: WorkerHarness) -> float:
    """When the first lease ends, by the database's clock."""
    async with reading(world.engine) as conn:
        return float(await conn.scalar(sa.select(sa.func.min(outbox.c.claimed_until))) or 0.0)


async def test_a_batch_longer_than_a_lease_doubles_nothing(world: WorkerHarness, rabbitmq: Broker) -> None:
    """What was confirmed before the batch is over waits for it, and no other worker publishes it meanwhile."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    mine, others = Published(), Published()
    messages = [made.message(f"m-{n}", f"lead-{n}", source="s") for n in range(NUMBER)]
    async with (
        serving(world, rabbitmq.url, mine, SHORT_SECONDS) as relay,
        serving(world, rabbitmq.url, others, SHORT_SECONDS),
    ):
        with relay.inbox.lend_confirmed_ids():
            relay.inbox.enqueue(await made.take(world.engine, messages, claim=relay.inbox.claim()))
            await world.subscriber.count(NUMBER)
            first = await lease_ends(world)

            async def renewed() -> bool:
                return await lease_ends(world) > first + 2 * SHORT_SECONDS

            await until(renewed)
            assert await count(world.engine, outbox) == NUMBER

        async def forgotten() -> bool:
            return await count(world.engine, outbox) == 0

        await until(forgotten)
    assert (mine.number, others.number) == (NUMBER, 0)
    assert len(world.subscriber.messages) == NUMBER


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_confirmed_row_that_is_locked_is_not_published_again(world: WorkerHarness, rabbitmq: Broker) -> None:
    """All others are deleted meanwhile; it is, once it can be, although its lease has ended. A person is told."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    mine, readiness = Published(), Readiness()
    messages = [made.message(f"m-{n}", f"lead-{n}", source="s") for n in range(NUMBER)]
    async with serving(world, rabbitmq.url, mine, SHORT_SECONDS, readiness) as relay:
        with relay.inbox.lend_confirmed_ids():
            taken = await made.take(world.engine, messages, claim=relay.inbox.claim())
            relay.inbox.enqueue(taken)
            await world.subscriber.count(NUMBER)
            somebody = await world.engine.connect()
            await somebody.execute(sa.delete(outbox).where(outbox.c.id == taken.publications[0].id))

        async def only_one_is_left() -> bool:
            return await count(world.engine, outbox) == 1

        async def lease_is_over() -> bool:
            async with reading(world.engine) as conn:
                return await lease_ends(world) < (await clock.now(conn)).timestamp()

        async with asyncio.timeout(LONG_SECONDS / 6):
            await until(only_one_is_left)
            await until(lease_is_over)
            await readiness.until(lambda now: now.details.get("outbox", "").startswith("1 published"))
        assert "outbox" not in readiness.problems
        await somebody.close()

        async def forgotten() -> bool:
            return await count(world.engine, outbox) == 0

        await until(forgotten)
    assert mine.number == len(world.subscriber.messages) == NUMBER
    assert readiness.details == {}


async def test_what_a_long_batch_wrote_is_published_by_its_writer(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Although a lease is gone since the claim was made: it began when it was written, and is renewed first."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    published = Published()
    messages = [made.message(f"m-{n}", f"lead-{n}", source="s") for n in range(NUMBER)]
    lease_seconds = 10 * LONG_SECONDS  # far longer than anything is waited for here
    async with serving(world, rabbitmq.url, published, lease_seconds) as relay:
        claim = relay.inbox.claim()
        assert claim is not None
        long_ago = replace(claim, since=claim.since - 2 * lease_seconds)
        relay.inbox.enqueue(await made.take(world.engine, messages, claim=long_ago))
        await world.subscriber.count(NUMBER)
    assert published.number == len(world.subscriber.messages) == NUMBER
