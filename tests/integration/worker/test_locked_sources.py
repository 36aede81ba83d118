"""Somebody holds a lock in a shell: the source that needs it waits, and no other does."""

import asyncio

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import contacts, operators, outbox, parked_messages, source_operators, sources
from distribution.store.transactions import reading, transaction
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.integration.worker.locked_rows import NUMBER, held, made, open_both, send, until_made
from tests.integration.worker.outages import RENAMED, RENAMED_BACK, SOON, Deliveries, execute, in_queue, least_role
from tests.polling import until
from worker.database_outage import RetryDelays

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SOON_SECONDS = 4.0
"""A second for the worker, the rest for a busy machine; a statement that waits for the lock takes 10."""


async def nothing_given_up(world: WorkerHarness) -> None:
    """Nothing is parked or dead."""
    assert await count(world.engine, parked_messages) == 0
    assert await in_queue(world, world.topology.dead) == 0


@pytest.mark.parametrize(
    ("table", "where"),
    [("operators", "name = 'Olga'"), ("sources", "code = 'web'"), ("leads", "id > 0")],
)
async def test_others_go_on(world: WorkerHarness, table: str, where: str) -> None:
    """The others are served within a second, again and again; what waits is named, done in order once it can be."""
    await open_both(world)
    deliveries = Deliveries()
    async with world.worker(deliveries.see) as address:
        pages = HealthPages(address)
        await send(world, "web", 0, 1)
        await until_made(world, "web", 1)
        async with held(world.engine, table, where):
            await world.bot.publish([message(body("web", "web-0", lead={"phone": "+7 701 123 45 67"}), "web-first")])
            for turn in range(4):
                await send(world, "shop", turn * NUMBER)
                await send(world, "web", 1 + turn * 5, 5)
                await until_made(world, "shop", (turn + 1) * NUMBER, SOON_SECONDS)
            assert "web" in (await pages.details())["locks"]
            assert "shop" not in (await pages.details())["locks"]
            assert await pages.problems() == {}
            await until(lambda: set_aside(pages, 21))
        await until_made(world, "web", 22)
        await until(lambda: forgotten(world.engine))
        await until(lambda: nothing_to_say(pages))
        assert await pages.metric("contacts_lock_wait_seconds_count") > 0
    assert await made(world.engine, "web") == ["web-0", "web-first", *[f"web-{n}" for n in range(1, 21)]]
    assert len(world.subscriber.messages) == len(world.subscriber.events)
    assert set(deliveries.of.values()) == {1}
    await nothing_given_up(world)


async def set_aside(pages: HealthPages, number: int) -> bool:
    """Whether so many messages of the locked source are held back."""
    return await pages.metric('contacts_set_aside_messages{source="web"}') == number


async def forgotten(engine: AsyncEngine) -> bool:
    """Whether every event has left."""
    return await count(engine, outbox) == 0


async def nothing_to_say(pages: HealthPages) -> bool:
    """Whether there is nothing left for a person to look at."""
    return await pages.details() == {}


async def test_close_of_a_locked_contact(world: WorkerHarness) -> None:
    """A close that names its contact by id waits with its contact's source; the other source goes on."""
    await open_both(world)
    async with world.worker() as address:
        await send(world, "web", 0, 1)
        (event,) = await world.subscriber.count(1)
        contact_id = event["data"]["contact"]["id"]
        async with held(world.engine, "contacts", f"id = '{contact_id}'"):
            await world.bot.publish([message({"contact_id": contact_id}, "close", type="contact.close")])
            await send(world, "shop", 0)
            await until_made(world, "shop", NUMBER, SOON_SECONDS)
            assert "web" in (await HealthPages(address).details())["locks"]
        await world.subscriber.until(lambda events: events[-1]["type"] == "contact.closed" or len(events) > NUMBER + 1)
    await nothing_given_up(world)


async def test_close_that_claims_another_source(world: WorkerHarness) -> None:
    """A close of a locked source's contact that also names another source waits with its own, and the other goes on."""
    await open_both(world)
    async with world.worker() as address:
        await send(world, "web", 0, 1)
        (event,) = await world.subscriber.count(1)
        both = {"contact_id": event["data"]["contact"]["id"], "source": "shop"}
        async with held(world.engine, "operators", "name = 'Olga'"):
            await world.bot.publish([message(both, "close", type="contact.close")])
            await until(lambda: says_locked(HealthPages(address)))
            await send(world, "shop", 0)
            await until_made(world, "shop", NUMBER, SOON_SECONDS)
            assert "shop" not in (await HealthPages(address).details())["locks"]
        await until_closed(world, "web")
    await nothing_given_up(world)


async def test_back_from_an_outage_and_locked(world: WorkerHarness) -> None:
    """Once the database is back the worker is ready, also if all that failed is locked by then."""
    await open_both(world)
    async with world.worker(retry_delays=SOON) as address:
        pages = HealthPages(address)
        await execute(world.engine, RENAMED)
        await send(world, "web", 0)
        await pages.until(lambda problems: "database" in problems)
        async with held(world.engine, "operators", "name = 'Olga'"):
            await execute(world.engine, RENAMED_BACK)
            await pages.until(lambda problems: not problems)
            assert "web" in (await pages.details())["locks"]
        await until_made(world, "web", NUMBER)
    await nothing_given_up(world)


async def test_locked_by_somebody_it_cannot_see(world: WorkerHarness, database_url: str) -> None:
    """A worker whose role sees nothing of other roles' sessions goes around their locks all the same."""
    await open_both(world)
    async with least_role(world.engine) as role:
        url = sa.make_url(database_url).set(username=role, password=role)
        world.settings.database_url = SecretStr(url.render_as_string(hide_password=False))
        async with world.worker() as address:
            async with held(world.engine, "operators", "name = 'Olga'"):
                await send(world, "web", 0)
                await until(lambda: says_locked(HealthPages(address)))
                await send(world, "shop", 0)
                await until_made(world, "shop", NUMBER, SOON_SECONDS)
            await until_made(world, "web", NUMBER)


async def test_what_waits_is_bounded(world: WorkerHarness) -> None:
    """When too much waits the worker takes nothing more and says that it is not ready; later everything is done."""
    world.settings.worker_batch_size = 5
    await open_both(world)
    async with world.worker() as address:
        pages = HealthPages(address)
        async with held(world.engine, "operators", "name = 'Olga'"):
            await send(world, "web", 0, 100)
            await pages.until(lambda problems: "web" in problems.get("consuming", ""))
            assert await pages.metric('contacts_set_aside_messages{source="web"}') < 50
        await until_made(world, "web", 100)
        await send(world, "shop", 0)
        await until_made(world, "shop", NUMBER)
        await pages.until(lambda problems: not problems)
    assert await made(world.engine, "web") == [f"web-{n}" for n in range(100)]
    await nothing_given_up(world)


async def test_longer_than_the_broker_lets_us_hold(world: WorkerHarness) -> None:
    """What waits is given back now and then, others go on, and nothing is given up."""
    await open_both(world)
    deliveries = Deliveries()
    async with world.worker(deliveries.see, RetryDelays(hold=1.0)):
        async with held(world.engine, "operators", "name = 'Olga'"):
            await send(world, "web", 0)

            async def came_again() -> bool:
                return deliveries.of["web-0"] > 1

            await until(came_again)
            await send(world, "shop", 0)
            await until_made(world, "shop", NUMBER, SOON_SECONDS)
        await until_made(world, "web", NUMBER)
    await nothing_given_up(world)


async def test_stop_while_something_waits(world: WorkerHarness) -> None:
    """The worker ends at once, and the next one has what waited."""
    await open_both(world)
    async with held(world.engine, "operators", "name = 'Olga'"):
        async with world.worker() as address:
            await send(world, "web", 0)
            await until(lambda: says_locked(HealthPages(address)))
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 5
    async with world.worker():
        await until_made(world, "web", NUMBER)


async def says_locked(pages: HealthPages) -> bool:
    """Whether the worker names a source that waits."""
    return "locks" in await pages.details()


async def test_deferred_closes_of_others_are_retried(world: WorkerHarness) -> None:
    """A deferred close of a locked source waits for its lock; that of another source is done meanwhile."""
    await open_both(world)
    async with world.worker():
        closes = [{"source": source, "message_id": f"{source}-0"} for source in ("web", "shop")]
        await world.bot.publish([message(each, None, type="contact.close") for each in closes])

        async def deferred() -> bool:
            return await count(world.engine, parked_messages) == len(closes)

        await until(deferred, PATIENCE_SECONDS)
        async with held(world.engine, "operators", "name = 'Olga'"):
            await send(world, "shop", 0, 1)
            await until_closed(world, "shop")
        await send(world, "web", 0, 1)
        await until_closed(world, "web")


async def test_a_deferred_close_that_needs_a_locked_source_delays_no_other(world: WorkerHarness) -> None:
    """Olga also works for a source that is locked: the close of her contact waits, Ivan's does not."""
    await open_both(world)
    await open_source(world.engine, "vip", {})
    async with transaction(world.engine) as conn:
        olga = sa.select(operators.c.id).where(operators.c.name == "Olga").scalar_subquery()
        shared = sa.select(sources.c.id, olga, sa.literal(1)).where(sources.c.code == "vip")
        columns = ["source_id", "operator_id", "weight"]
        await conn.execute(sa.insert(source_operators).from_select(columns, shared))
    async with world.worker():
        closes = [{"source": source, "message_id": f"{source}-0"} for source in ("web", "shop")]
        await world.bot.publish([message(each, None, type="contact.close") for each in closes])

        async def deferred() -> bool:
            return await count(world.engine, parked_messages) == len(closes)

        await until(deferred, PATIENCE_SECONDS)
        await send(world, "web", 0, 1)
        await until_made(world, "web", 1)
        async with held(world.engine, "sources", "code = 'vip'"):
            await send(world, "shop", 0, 1)
            await until_closed(world, "shop")
        await until_closed(world, "web")


async def until_closed(world: WorkerHarness, source: str) -> None:
    """Wait until a source has a closed contact."""

    async def is_closed() -> bool:
        query = sa.select(contacts.c.status).join(sources).where(sources.c.code == source)
        async with reading(world.engine) as conn:
            return list(await conn.scalars(query)) == ["closed"]

    await until(is_closed, PATIENCE_SECONDS)
