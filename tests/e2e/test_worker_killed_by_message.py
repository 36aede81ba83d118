"""A message that kills the process is given up by the broker and parked; no other message is."""

import asyncio
from collections import Counter

import aiormq
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading
from tests.broker_setup import declare_at
from tests.chaos.worker_process import EXIT_STATUS
from tests.clients import PATIENCE_SECONDS, body, bot_at, message
from tests.e2e.programs import Programs
from tests.factories import count, open_source
from tests.polling import until
from worker.broker.topology import DELIVERY_LIMIT, Topology

GOOD = 600


async def keep_running(programs: Programs, deaths: Counter[int]) -> None:
    """Start a worker again each time the message has killed it, as any supervisor does."""
    while True:
        worker = await programs.start("tests.chaos.worker_process", CHAOS_EXIT_AT="taken:=killer")
        await worker.process.wait()
        deaths[worker.process.returncode or 0] += 1


@pytest.mark.parametrize(("database_url", "workers"), [("postgresql", 3)], indirect=["database_url"])
async def test_the_killer_is_given_up_and_its_neighbours_are_not(
    programs: Programs, engine: AsyncEngine, workers: int
) -> None:
    """Six hundred messages and one killer among them: six hundred contacts, one parked message; its reason is true."""
    await open_source(engine, "s", {"Olga": (1, 1000)})
    topology, deaths = Topology(programs.settings["BROKER_PREFIX"], "1h"), Counter[int]()
    await declare_at(programs.settings["AMQP_URL"], topology)
    async with aiormq.connect(programs.settings["AMQP_URL"]) as connection:
        channel = await connection.channel()
        letters = [message(body("s", f"lead-{n}"), f"m-{n}") for n in range(GOOD)]
        letters.insert(GOOD // 2, message(body("s", "lead-x"), "killer"))
        async with bot_at(programs.settings["AMQP_URL"], topology.prefix) as bot:
            await bot.publish(letters)

        async def settled() -> bool:
            inbound = (await channel.queue_declare(topology.inbound, passive=True)).message_count
            # The broker may know of the last death before we do.
            known = deaths.total() > DELIVERY_LIMIT
            done = await count(engine, parked_messages) == 1 and await count(engine, contacts) == GOOD
            return known and done and not inbound

        keeping = [asyncio.create_task(keep_running(programs, deaths)) for _ in range(workers)]
        try:
            await until(settled, 2 * PATIENCE_SECONDS)
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
        assert (await channel.queue_declare(topology.dead, passive=True)).message_count == 0
    async with reading(engine) as conn:
        row = (await conn.execute(sa.select(parked_messages))).one()
    assert (row.message_id, row.code, row.named_source, row.attempts) == ("killer", "undelivered", "s", 1)
    assert "more often than the delivery limit allows" in row.detail
    # The first delivery and as many again as the limit allows.
    assert deaths == {EXIT_STATUS: DELIVERY_LIMIT + 1}
