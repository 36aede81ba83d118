"""The broker drops, freezes or times out a worker in the midst of its work."""

import asyncio
import json
from collections.abc import Callable

import aiormq
import pytest
from pydantic import SecretStr

from devservices.broker import Broker
from distribution.ids import new_id
from distribution.store.outbox import Publication
from distribution.store.tables import outbox
from distribution.store.transactions import transaction
from tests.clients import PATIENCE_SECONDS, Event, body, message
from tests.factories import count, loads, open_source, statuses
from tests.integration.worker.broker_state import close_connections, consumers
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.app import CONSUMER_STOP_SECONDS, RELAY_STOP_SECONDS, SHORT_STOP_SECONDS
from worker.broker.connection_errors import LOST
from worker.failpoints import Failpoint
from worker.publish.in_flight import EVENTS
from worker.publish.publisher import Publisher, PublishTarget

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NUMBER = 300
CONSUMER_TIMEOUT = (
    "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
)


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One of our own, to do anything to."""
    return own_broker


class Once:
    """Does something the first time that a point is passed, while the worker stands still there."""

    def __init__(self, point: Failpoint, act: Callable[[], object]) -> None:
        self._point, self._act = point, act
        self.done = False

    def see(self, point: Failpoint, _about: str) -> None:
        """Where the work stands."""
        if point is self._point and not self.done:
            self.done = True
            self._act()


async def publish(world: WorkerHarness) -> None:
    """Places for all but a few, then the messages."""
    await open_places(world)
    await send(world)


async def open_places(world: WorkerHarness) -> None:
    """For all but a few."""
    await open_source(world.engine, "s", {"Olga": (1, 200), "Ivan": (1, 90)})


async def send(world: WorkerHarness) -> None:
    """All messages, into the queue."""
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(NUMBER)])


async def all_once(world: WorkerHarness) -> None:
    """Every message is one contact, told of once by id, no load is wrong, nothing is left."""

    def told(events: list[Event]) -> bool:
        return len({event["data"]["contact"]["id"] for event in events}) == NUMBER

    events = await world.subscriber.until(told)
    assert len(events) == NUMBER
    assert await statuses(world.engine) == {"active": 290, "waiting": 10}
    assert await loads(world.engine)

    async def forgotten() -> bool:
        return await count(world.engine, outbox) == 0

    await until(forgotten)


@pytest.mark.parametrize(
    "point", [Failpoint.TAKEN, Failpoint.BEFORE_COMMIT, Failpoint.AFTER_COMMIT, Failpoint.AFTER_ACK]
)
async def test_connection_closed_in_mid_batch(world: WorkerHarness, rabbitmq: Broker, point: Failpoint) -> None:
    """Tags that died with their channel settle nothing; the work in hand is not torn, and is not done again."""
    await publish(world)
    closes = Once(point, lambda: close_connections(rabbitmq, "consumer"))
    async with world.worker(closes.see) as address:
        await all_once(world)
        assert await HealthPages(address).problems() == {}
    assert closes.done


@pytest.mark.parametrize("point", [Failpoint.BEFORE_PUBLISH, Failpoint.AFTER_CONFIRM, Failpoint.BEFORE_DELETE])
async def test_connection_closed_while_publishing(world: WorkerHarness, rabbitmq: Broker, point: Failpoint) -> None:
    """What was in flight is published again under the same id, on a channel that is new."""
    await publish(world)
    closes = Once(point, lambda: close_connections(rabbitmq, "publisher"))
    async with world.worker(closes.see) as address:
        await all_once(world)
        # Where the connection ends after the last confirmation, all is done before there is a new one.
        await HealthPages(address).until(lambda problems: not problems)
    assert closes.done


async def test_broker_frozen_with_publications_in_flight(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Nobody knows what became of them: they go out again with the same ids once the broker answers."""
    world.settings.amqp_url = SecretStr(f"{rabbitmq.url}?heartbeat=1")
    await publish(world)
    freezes = Once(Failpoint.BEFORE_PUBLISH, rabbitmq.freeze)
    async with world.worker(freezes.see) as address:
        pages = HealthPages(address)
        try:
            await pages.until(lambda problems: "publisher" in problems)
        finally:
            await asyncio.to_thread(rabbitmq.thaw)
        await all_once(world)
        await pages.until(lambda problems: not problems)
    assert freezes.done


async def test_stop_while_the_broker_is_frozen(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A broker that answers nothing does not hold up the end of the worker for longer than the parts may take."""
    async with world.worker():
        await asyncio.to_thread(rabbitmq.freeze)
        started = asyncio.get_running_loop().time()
    took = asyncio.get_running_loop().time() - started
    await asyncio.to_thread(rabbitmq.thaw)
    assert took < CONSUMER_STOP_SECONDS + SHORT_STOP_SECONDS + RELAY_STOP_SECONDS + 5


async def test_consumer_timeout(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A batch that takes longer than the broker allows costs the channel, and is done once all the same."""
    rabbitmq.rabbitmqctl("eval", CONSUMER_TIMEOUT.format(300, 300))
    try:
        await open_places(world)
        async with aiormq.connect(rabbitmq.url) as connection, world.worker() as address:
            async with transaction(world.engine):  # which is SQLite's only writer meanwhile
                await send(world)

                async def dropped() -> bool:
                    return await consumers(connection, world.topology.inbound) == 0

                await until(dropped)
            await all_once(world)
            await HealthPages(address).until(lambda problems: not problems)
    finally:
        rabbitmq.rabbitmqctl("eval", CONSUMER_TIMEOUT.format(1_800_000, 60_000))


async def test_channels_and_publications_in_flight_are_bounded(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Hundreds of events go out on the channels that are there, many at once and never more than the window."""
    await publish(world)
    flying = Flying()
    async with world.worker(flying.see):
        await all_once(world)
        # At most one for the work, one for declarations, and one for the event log, whose answers may take long.
        assert number_of("channels", rabbitmq) <= 3 * number_of("connections", rabbitmq)
    assert 1 < flying.most <= EVENTS.in_flight


class Flying:
    """How many publications are in flight, and were at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def see(self, point: Failpoint, _about: str) -> None:
        """Where the work stands."""
        self.now += (point is Failpoint.BEFORE_PUBLISH) - (point is Failpoint.AFTER_CONFIRM)
        self.most = max(self.most, self.now)


def number_of(objects: str, server: Broker) -> int:
    """How many channels or connections there are on the whole broker."""
    return len(json.loads(server.rabbitmqctl(f"list_{objects}", "pid", "--formatter", "json")))


async def test_publisher_says_that_nobody_knows(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Of what is in flight nothing is heard when the broker dies; the publisher says so, and takes nothing more."""
    connection, ended = await aiormq.connect(rabbitmq.url), asyncio.Event()
    target = PublishTarget(world.topology.assignments, mandatory=False)
    publisher = await Publisher.open(connection, target, ended)
    await asyncio.to_thread(rabbitmq.freeze)
    await publisher.send([publication()])
    publisher.check()
    await asyncio.to_thread(rabbitmq.kill)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await ended.wait()
        with pytest.raises(LOST):
            publisher.check()
        with pytest.raises(LOST):
            await publisher.send([publication()])
    assert publisher.take_reports() == []
    await asyncio.to_thread(rabbitmq.start)


def publication() -> Publication:
    """An event."""
    row_id = new_id()
    return Publication(row_id, new_id(), 1, str(row_id), "contact.assigned", "key", False, "c", None, b"{}")
