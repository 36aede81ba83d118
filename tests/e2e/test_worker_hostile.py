"""What no decent client would send: each message is a contact or a parked row, and the worker lives on."""

import secrets

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.e2e.programs import Programs
from tests.factories import open_source
from tests.hostile.attack import Attack
from worker.broker.topology import Topology

NUMBER = 3_000


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_every_message_is_settled(programs: Programs, engine: AsyncEngine) -> None:
    """Three thousand of a new seed; `python -m tests.hostile` sends a hundred thousand."""
    for source in ("s", "other"):
        await open_source(engine, source, {f"Olga of {source}": (1, 500)})
    worker = await programs.start("worker")
    await worker.until_ready()
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - a run that fails has to be repeated
    topology = Topology(programs.settings["BROKER_PREFIX"], "1h")
    attack = Attack(
        programs.settings["AMQP_URL"], topology, engine, worker.url, worker.process.pid, NUMBER, seed, lambda _: None
    )
    assert await attack.run() == []
    assert await worker.stop() == 0
