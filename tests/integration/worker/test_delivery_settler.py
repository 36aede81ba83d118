"""What is acknowledged is what is committed: no message more, none less, each once."""

import aiormq
import pytest
from structlog.testing import capture_logs

from distribution.store.tables import contacts
from tests.clients import body, message
from tests.factories import count, open_source, statuses
from tests.integration.worker.broker_state import give_back
from tests.integration.worker.failpoint_hooks import Crash, Passes
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.failpoints import Failpoint

NUMBER, BATCH = 200, 20


async def publish(world: WorkerHarness) -> None:
    """More than a worker is given at once."""
    world.settings.worker_batch_size = BATCH
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(NUMBER)])


async def left_in_queue(world: WorkerHarness) -> int:
    """Messages that nobody holds, once nobody consumes."""
    async with aiormq.connect(world.settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()

        async def abandoned() -> bool:
            return not (await channel.queue_declare(world.topology.inbound, passive=True)).consumer_count

        await until(abandoned)
        return (await channel.queue_declare(world.topology.inbound, passive=True)).message_count or 0


@pytest.mark.parametrize("batches", [2, 4])
async def test_what_is_not_committed_is_not_acknowledged(world: WorkerHarness, batches: int) -> None:
    """However many deliveries were held: after a crash the queue has every message that is no contact, and no other."""
    await publish(world)
    crash = Passes(Failpoint.AFTER_ACK, batches, crash=True)
    with capture_logs() as logs, pytest.RaisesGroup(Crash):
        async with world.worker(crash.see):
            await crash.reached.wait()
    done = await count(world.engine, contacts)
    assert 0 < done < NUMBER
    assert await left_in_queue(world) == NUMBER - done
    assert [entry["component"] for entry in logs if entry["event"] == "component_failed"] == ["consumer"]


async def test_a_stop_gives_back_only_what_is_not_done(world: WorkerHarness) -> None:
    """Stopped under load, nothing that is a contact is delivered to the next worker."""
    await publish(world)
    batches = Passes(Failpoint.AFTER_COMMIT, 3, crash=False)
    async with world.worker(batches.see):
        await batches.reached.wait()
    done = await count(world.engine, contacts)
    assert 0 < done < NUMBER
    assert await left_in_queue(world) == NUMBER - done


async def test_each_message_is_settled_once(world: WorkerHarness) -> None:
    """New ones and ones that came back, mixed: a second acknowledgement of any would cost the channel."""
    await publish(world)
    await give_back(world, 30)
    await give_back(world, 15)
    async with world.worker() as address:
        await world.subscriber.count(NUMBER)
        assert await HealthPages(address).connects() == (1, 1)
    assert await left_in_queue(world) == 0
    assert await statuses(world.engine) == {"active": NUMBER}
