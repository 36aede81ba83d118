"""The backlog among the worker's metrics."""

import httpx2

from tests.factories import message, open_source, take
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until


async def test_the_worker_shows_the_backlog(world: WorkerHarness) -> None:
    """It reads it at its start, beside its other work."""
    await open_source(world.engine, "web", {})
    await take(world.engine, [message("m", source="web"), message("p", source="fax")])
    async with world.worker() as address, httpx2.AsyncClient(trust_env=False) as http:

        async def shown() -> bool:
            lines = (await http.get(f"{address}/metrics")).text.splitlines()
            wanted = (
                'contacts_waiting{source="web"} 1.0',
                'contacts_parked{code="unknown_source",state="rejected"} 1.0',
            )
            return all(line in lines for line in wanted)

        await until(shown)
