"""Events that the broker does not take: the others go on, and somebody can see it."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.tables import contacts, outbox
from distribution.store.transactions import reading
from tests.broker_setup import declare_at
from tests.clients import Subscriber, body, bot_at, message, subscribe
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until

LARGEST = 4_000
TAKES_UP_TO = "application:set_env(rabbit, max_message_size, {0}), persistent_term:put(max_message_size, {0})."


@pytest.fixture
def small_messages(own_broker: Broker) -> Iterator[None]:
    """The broker takes no message over LARGEST; newer ones keep the limit elsewhere."""
    own_broker.rabbitmqctl("eval", TAKES_UP_TO.format(LARGEST))
    yield
    own_broker.rabbitmqctl("eval", TAKES_UP_TO.format(16_777_216))


@pytest.fixture
async def unheard(own_broker: Broker, world: WorkerHarness) -> AsyncIterator[WorkerHarness]:
    """The usual corner, on the broker of this module, without a subscriber."""
    settings = world.settings.model_copy(update={"amqp_url": SecretStr(own_broker.url)})
    await declare_at(own_broker.url, world.topology)
    async with bot_at(own_broker.url, settings.broker_prefix) as bot:
        yield WorkerHarness(world.engine, settings, world.topology, bot, Subscriber(), "", Subscriber())


async def set_aside(engine: AsyncEngine) -> list[str | None]:
    """Keys of contacts whose event is in the outbox and not to be tried for a while."""
    later = outbox.c.claimed_until > time.time() + 60
    async with reading(engine) as conn:
        return list(await conn.scalars(sa.select(outbox.c.correlation_id).where(later)))


@pytest.mark.usefixtures("small_messages")
async def test_a_row_that_the_broker_refuses_stops_no_other(unheard: WorkerHarness) -> None:
    """One event too large for the broker: all others come, it stays in the outbox, set aside, and is counted."""
    await open_source(unheard.engine, "s", {"Olga": (1, 1000)})
    subscriber = await subscribe(unheard.bot.channel, unheard.topology.prefix)
    # Small enough to be taken as a submission, too large once lead and contact are told with it.
    large = message(body("s", "large", payload="x" * (LARGEST - 150)), "large")
    small = [message(body("s", f"lead-{n}"), f"m-{n}") for n in range(400)]
    async with unheard.worker() as address:
        await unheard.bot.publish([*small[:200], large, *small[200:]])
        events = await subscriber.count(400)

        async def only_the_large_one_is_left() -> bool:
            return await set_aside(unheard.engine) == ["large"] and await count(unheard.engine, outbox) == 1

        await until(only_the_large_one_is_left)
        assert await HealthPages(address).published("unpublishable") == 1
    assert {event["data"]["contact"]["message_id"] for event in events} == {f"m-{n}" for n in range(400)}


async def test_a_queue_that_refuses_for_a_while(unheard: WorkerHarness) -> None:
    """A subscriber's queue is full and refuses: nothing is taken for published, and all comes once there is room."""
    await open_source(unheard.engine, "s", {"Olga": (1, 1000)})
    channel = unheard.bot.channel
    full = await channel.declare_queue(exclusive=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    await full.bind(f"{unheard.topology.prefix}assignments", "#")
    async with unheard.worker() as address:
        await unheard.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(40)])

        async def aside() -> bool:
            return await HealthPages(address).published("refused") >= 35

        await until(aside)
        assert await HealthPages(address).problems() == {}
        assert await count(unheard.engine, outbox) >= 35
        subscriber = await subscribe(channel, unheard.topology.prefix)
        await full.unbind(f"{unheard.topology.prefix}assignments", "#")

        async def published() -> bool:
            return await count(unheard.engine, outbox) == 0

        await until(published)
    assert await count(unheard.engine, contacts) == 40
    assert len(subscriber.events) == len({event["id"] for event in subscriber.events}) >= 35


async def test_a_log_that_was_deleted_comes_back(unheard: WorkerHarness) -> None:
    """Somebody deletes the event log and nobody else listens: it is declared anew and gets the event."""
    await open_source(unheard.engine, "s", {"Olga": (1, 1000)})
    channel = unheard.bot.channel
    async with unheard.worker():
        await channel.queue_delete(unheard.topology.log)
        await unheard.bot.publish([message(body("s", "tg:1"), "m-1")])

        async def published() -> bool:
            return await count(unheard.engine, contacts) == 1 and await count(unheard.engine, outbox) == 0

        await until(published)
        heard = Subscriber()
        log = await channel.get_queue(unheard.topology.log, ensure=True)
        await channel.set_qos(prefetch_count=10)
        await log.consume(heard.remember, arguments={"x-stream-offset": "first"})
        (event,) = await heard.count(1)
    assert event["data"]["contact"]["message_id"] == "m-1"
