"""What a relay deletes without a batch: confirmed rows while there is no broker, and replies that are too old."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.ids import first_id_at
from distribution.store import outbox as outbox_store
from distribution.store import outbox_leases
from distribution.store.database import Database
from distribution.store.outbox import Publication
from distribution.store.tables import outbox
from distribution.store.transactions import reading, transaction
from tests import factories as made
from tests.broker_setup import worker_connection
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.published import NUMBER, Published
from tests.polling import until
from worker.broker.connection import until_lost
from worker.broker.connection_errors import ConnectionLost
from worker.failpoints import Failpoint, no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness

SHORT_SECONDS, LONG_SECONDS = 6.0, 60.0


@asynccontextmanager
async def losing(world: WorkerHarness, url: str, confirmed: Published) -> AsyncIterator[Relay]:
    """A relay whose connection is lost while events that are confirmed wait for a batch."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    relay = Relay(Database(world.engine, Random(1)), world.topology, Readiness(), Metrics(), confirmed.see)
    messages = [made.message(f"m-{n}", f"lead-{n}", source="s") for n in range(NUMBER)]
    async with await worker_connection(url) as connection:
        work = asyncio.create_task(until_lost(connection, relay.serve(connection)))

        async def connected() -> bool:
            return relay.inbox.claim() is not None

        async def all_confirmed() -> bool:
            return confirmed.number == NUMBER

        await until(connected)
        with relay.inbox.lend_confirmed_ids():
            relay.inbox.enqueue(await made.take(world.engine, messages, claim=relay.inbox.claim()))
            await until(all_confirmed)
            await connection.close()
            with pytest.raises(ConnectionLost):
                await work
    assert await count(world.engine, outbox) == NUMBER
    yield relay


async def test_what_was_confirmed_is_deleted_without_a_broker(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Else another worker would publish it again once its lease ends."""
    async with losing(world, rabbitmq.url, Published(Failpoint.AFTER_CONFIRM)) as relay:
        tidying = asyncio.create_task(relay.tidy())

        async def forgotten() -> bool:
            return await count(world.engine, outbox) == 0

        await until(forgotten, SHORT_SECONDS)
        relay.stop()
        await tidying


async def test_what_was_confirmed_is_deleted_before_the_end(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A worker that is stopped while the broker is away leaves nothing to be published twice."""
    async with losing(world, rabbitmq.url, Published(Failpoint.AFTER_CONFIRM)) as relay:
        relay.stop()
        await relay.tidy()
        assert await count(world.engine, outbox) == 0


class Said(Readiness):
    """Remembers every problem that there ever was."""

    def set_unready(self, component: str, reason: str) -> None:
        """One more."""
        self.details.setdefault("ever", "")
        self.details["ever"] += f"{component};"
        super().set_unready(component, reason)


async def test_tidying_that_fails_stops_nobody(world: WorkerHarness) -> None:
    """The lanes need not wait for replies that cannot be deleted."""
    rows = [publication(minutes_ago=11, reply=True), publication(11, reply=False)]
    async with transaction(world.engine) as conn:
        await outbox_store.insert(conn, rows, None)
        await outbox_leases.postpone(conn, {LONG_SECONDS: [rows[1].id]})
    await refuse_deletes(world.engine)
    readiness = Said()
    relay = Relay(Database(world.engine, Random(1)), world.topology, readiness, Metrics(), no_failpoints)
    tidying = asyncio.create_task(relay.tidy())

    async with asyncio.timeout(LONG_SECONDS / 6):
        await readiness.until(lambda now: "set aside" in now.details)
    relay.stop()
    await tidying
    assert await count(world.engine, outbox) == 2
    assert readiness.details["ever"] == "publishing;"


async def refuse_deletes(engine: AsyncEngine) -> None:
    """As an owner's trigger would."""
    function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$"
    trigger = "CREATE TRIGGER refuse BEFORE DELETE ON outbox FOR EACH ROW "
    async with transaction(engine) as conn:
        if conn.dialect.name == "postgresql":
            await conn.execute(sa.text(function))
            await conn.execute(sa.text(trigger + "EXECUTE FUNCTION refuse()"))
        else:
            await conn.execute(sa.text(trigger + "BEGIN SELECT RAISE(ABORT, 'refused'); END"))


async def test_replies_that_nobody_waits_for_any_more_are_deleted(world: WorkerHarness) -> None:
    """Whether or not there is a broker, so that they do not pile up; younger ones and events stay."""
    rows = [
        publication(minutes_ago=11, reply=True),
        publication(minutes_ago=1, reply=True),
        publication(11, reply=False),
    ]
    async with transaction(world.engine) as conn:
        await outbox_store.insert(conn, rows, None)
    relay = Relay(Database(world.engine, Random(1)), world.topology, Readiness(), Metrics(), no_failpoints)
    tidying = asyncio.create_task(relay.tidy())

    async def one_is_gone() -> bool:
        return await count(world.engine, outbox) == 2

    await until(one_is_gone)
    relay.stop()
    await tidying
    async with reading(world.engine) as conn:
        assert set(await conn.scalars(sa.select(outbox.c.id))) == {row.id for row in rows[1:]}


def publication(minutes_ago: int, *, reply: bool) -> Publication:
    """A row written so long ago."""
    row_id = first_id_at(datetime.now(UTC) - timedelta(minutes=minutes_ago, seconds=reply))
    contact_id = None if reply else row_id
    return Publication(row_id, contact_id, 1, str(row_id), "contact.assigned", "q", reply, None, None, b"{}")
