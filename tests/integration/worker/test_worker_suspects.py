"""Messages that came back: handled apart from the others, and the others at full speed again afterwards."""

from tests.clients import body, message
from tests.factories import open_source, statuses
from tests.integration.worker.broker_state import give_back
from tests.integration.worker.harness import WorkerHarness
from worker.failpoints import Failpoint

NUMBER, BATCH = 200, 100


class BatchSizes:
    """Sizes of the batches that a worker committed."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._taken = 0

    def see(self, point: Failpoint, _about: str) -> None:
        """Where the work stands."""
        if point is Failpoint.TAKEN:
            self._taken += 1
        elif point is Failpoint.AFTER_COMMIT:
            self.sizes.append(self._taken)
            self._taken = 0


async def through(world: WorkerHarness, number: int) -> BatchSizes:
    """Run a worker until there are this many contacts."""
    seen = BatchSizes()
    world.settings.worker_batch_size = BATCH
    async with world.worker(seen.see):
        await world.subscriber.count(number)
    return seen


async def test_what_came_back_once_goes_in_small_groups(world: WorkerHarness) -> None:
    """All of a dead worker's messages are done, a twentieth of a batch at a time."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(NUMBER)])
    await give_back(world, NUMBER)
    seen = await through(world, NUMBER)
    assert max(seen.sizes) <= BATCH // 20
    assert sum(seen.sizes) == NUMBER
    assert await statuses(world.engine) == {"active": NUMBER}


async def test_what_came_back_again_goes_alone_and_new_ones_do_not(world: WorkerHarness) -> None:
    """Twice suspected is alone; what nobody was ever given goes in whole batches."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(10)])
    await give_back(world, 10)
    await give_back(world, 10)
    await world.bot.publish([message(body("s", f"lead-{n}"), f"n-{n}") for n in range(3 * BATCH)])
    seen = await through(world, 10 + 3 * BATCH)
    assert seen.sizes[:10] == [1] * 10
    assert max(seen.sizes) > BATCH // 2
