"""The database is there and does not do its work: for as long as that lasts, no message is given up."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from devservices.broker import Broker
from distribution.store.tables import parked_messages
from tests.factories import count, open_source, statuses
from tests.integration.worker.broker_state import close_connections
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.integration.worker.outages import (
    DELIVERY_LIMIT,
    NUMBER,
    RENAMED,
    RENAMED_BACK,
    SOON,
    Deliveries,
    execute,
    in_queue,
    least_role,
    send,
)
from tests.polling import until
from worker.database_outage import RetryDelays


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One whose connections are ours to close."""
    return own_broker


async def until_tried(pages: HealthPages, logs: Sequence[Mapping[str, object]], times: int) -> None:
    """Wait until the worker failed so often; from its first failure on it must not say that it is ready."""

    async def tried() -> bool:
        failures = sum(entry["event"] == "database_unavailable" for entry in logs)
        if failures:
            assert "database" in await pages.problems()
        return failures >= times

    await until(tried)


async def all_done(world: WorkerHarness) -> None:
    """Every message is a contact; nothing is parked or dead."""
    await world.subscriber.count(NUMBER)
    assert await statuses(world.engine) == {"active": NUMBER}
    assert await count(world.engine, parked_messages) == 0
    assert await in_queue(world, world.topology.dead) == 0


async def test_renamed_column(world: WorkerHarness) -> None:
    """A column that a newer revision renamed: tried again and again, each message delivered once, unready all along."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    deliveries = Deliveries()
    with capture_logs() as logs:
        async with world.worker(deliveries.see, SOON) as address:
            await execute(world.engine, RENAMED)
            await send(world)
            await until_tried(HealthPages(address), logs, DELIVERY_LIMIT + 5)
            await execute(world.engine, RENAMED_BACK)
            await all_done(world)
            await HealthPages(address).until(lambda problems: not problems)
    assert set(deliveries.of.values()) == {1}


@asynccontextmanager
async def locked_table(engine: AsyncEngine) -> AsyncIterator[None]:
    """Somebody's transaction that keeps everybody out of a table."""
    async with engine.connect() as conn:
        await conn.execute(sa.text("LOCK TABLE contacts"))
        yield
        await conn.rollback()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_locked_table(world: WorkerHarness) -> None:
    """A table that is locked keeps back every source, so it is an outage: nothing is set aside or given back."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    deliveries = Deliveries()
    with capture_logs() as logs:
        async with world.worker(deliveries.see, SOON) as address:
            async with locked_table(world.engine):
                await send(world)
                await until_tried(HealthPages(address), logs, 3)
                assert (
                    "AccessExclusiveLock on the table contacts" in (await HealthPages(address).problems())["database"]
                )
                assert await HealthPages(address).details() == {}
            await all_done(world)
    assert set(deliveries.of.values()) == {1}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["contacts", "outbox", "operators"])
async def test_missing_rights(world: WorkerHarness, database_url: str, table: str) -> None:
    """Rights that are missing on one table park no message and use up no delivery."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    deliveries = Deliveries()
    async with least_role(world.engine) as role:
        url = sa.make_url(database_url).set(username=role, password=role)
        world.settings.database_url = SecretStr(url.render_as_string(hide_password=False))
        with capture_logs() as logs:
            async with world.worker(deliveries.see, SOON) as address:
                await execute(world.engine, f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {role}")
                await send(world)
                await until_tried(HealthPages(address), logs, DELIVERY_LIMIT + 5)
                await execute(world.engine, f"GRANT INSERT, UPDATE, DELETE ON {table} TO {role}")
                await all_done(world)
    assert set(deliveries.of.values()) == {1}


async def test_outage_that_is_longer_than_the_broker_lets_us_hold(world: WorkerHarness) -> None:
    """What is held is given back once; then the same work is tried without the broker, however long it takes."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    deliveries = Deliveries()
    with capture_logs() as logs:
        async with world.worker(deliveries.see, RetryDelays(first=0.02, longest=0.1, hold=0.5)) as address:
            await execute(world.engine, RENAMED)
            await send(world)
            await until_tried(HealthPages(address), logs, DELIVERY_LIMIT + 5)
            assert await in_queue(world, world.topology.inbound) == NUMBER
            await execute(world.engine, RENAMED_BACK)
            await all_done(world)
    assert max(deliveries.of.values()) <= 2


async def test_connection_lost_in_an_outage(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A broker that is gone as well costs one delivery; nothing is asked for until the database takes what it had."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    deliveries = Deliveries()
    with capture_logs() as logs:
        async with world.worker(deliveries.see, SOON) as address:
            await execute(world.engine, RENAMED)
            await send(world)
            await until_tried(HealthPages(address), logs, 3)
            await asyncio.to_thread(close_connections, rabbitmq, "consumer")
            await until_tried(HealthPages(address), logs, DELIVERY_LIMIT + 5)
            assert max(deliveries.of.values()) == 1
            await execute(world.engine, RENAMED_BACK)
            await all_done(world)
    assert max(deliveries.of.values()) <= 2


async def test_stop_in_an_outage(world: WorkerHarness) -> None:
    """A worker that waits for its database ends at once, and the next one does what it held."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    with capture_logs() as logs:
        async with world.worker(retry_delays=RetryDelays(first=5, longest=60)) as address:
            await execute(world.engine, RENAMED)
            await send(world)
            await until_tried(HealthPages(address), logs, 1)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 4
    await execute(world.engine, RENAMED_BACK)
    async with world.worker():
        await all_done(world)
