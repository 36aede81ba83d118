"""Databases that do not do their part, and messages meanwhile."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiormq
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.transactions import transaction
from tests.clients import body, message
from tests.integration.worker.harness import WorkerHarness
from worker.database_outage import RetryDelays
from worker.failpoints import Failpoint

NUMBER, DELIVERY_LIMIT = 30, 20
SOON = RetryDelays(first=0.02, longest=0.1)

RENAMED = "ALTER TABLE contacts RENAME COLUMN payload TO contents"
RENAMED_BACK = "ALTER TABLE contacts RENAME COLUMN contents TO payload"


class Deliveries:
    """How often each message was delivered."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def see(self, point: Failpoint, about: str) -> None:
        """Where the work stands."""
        if point is Failpoint.TAKEN:
            self.of[about] += 1


async def send(world: WorkerHarness) -> None:
    """All messages, into the queue."""
    await world.bot.publish([message(body("s", f"lead-{n}"), f"m-{n}") for n in range(NUMBER)])


async def in_queue(world: WorkerHarness, name: str) -> int:
    """Messages in a queue that nobody holds."""
    async with aiormq.connect(world.settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        return (await channel.queue_declare(name, passive=True)).message_count or 0


async def execute(engine: AsyncEngine, statement: str) -> None:
    """One statement of the database's owner."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text(statement))


@asynccontextmanager
async def least_role(engine: AsyncEngine) -> AsyncIterator[str]:
    """A role that may work with all tables and owns none; its name."""
    role = f"teller_{secrets.token_hex(4)}"
    await execute_all(
        engine,
        f"CREATE ROLE {role} LOGIN PASSWORD '{role}'; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}; "
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    try:
        yield role
    finally:
        await execute_all(engine, f"DROP OWNED BY {role}; DROP ROLE {role}")


async def execute_all(engine: AsyncEngine, statements: str) -> None:
    """Several, in one transaction."""
    async with transaction(engine) as conn:
        for statement in statements.split("; "):
            await conn.execute(sa.text(statement))
