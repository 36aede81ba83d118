"""From a place freed over HTTP to the event at a subscriber that the oldest waiting contact has it."""

import asyncio
import json
import statistics
from dataclasses import dataclass

import aiormq
from aiormq.abc import DeliveredMessage

from benchmarks.admin_api_process import running_admin_api
from benchmarks.environment import Candidate, Environment
from benchmarks.wait_until import PATIENCE_SECONDS, until
from benchmarks.workload import Size, letters
from worker.broker.channels import ConsumingChannel

WAITING = 1_000


@dataclass(frozen=True, slots=True)
class Serving:
    """Milliseconds."""

    contestant: str
    closes: int
    p50: float
    p99: float


async def serve(arena: Environment, contestant: Candidate, closes: int) -> Serving:
    """One operator with one place, a thousand contacts for it: close, and wait for the next one's event."""
    size = Size(messages=WAITING, operators=1, sources=1, limit=1)
    assigned: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    everything = 0
    loop = asyncio.get_running_loop()

    async def hear(message: DeliveredMessage) -> None:
        nonlocal everything
        everything += 1
        event = json.loads(message.body)
        if event["type"] == "contact.assigned":
            assigned.put_nowait((event["data"]["contact"]["id"], loop.time()))

    async with arena.ground(contestant, size) as ground, aiormq.connect(arena.broker.url) as connection:
        await ground.fill(list(letters(size, seed=5)))
        await (await ConsumingChannel.on(connection)).basic_consume(ground.events, hear, no_ack=True)
        await ground.start()
        waits = []
        async with running_admin_api(ground) as http, asyncio.timeout(PATIENCE_SECONDS):
            await until(lambda: everything >= WAITING)
            contact_id, _ = await assigned.get()
            for _ in range(closes):
                begun = loop.time()
                (await http.post(f"/contacts/{contact_id}/close", json={})).raise_for_status()
                contact_id, heard = await assigned.get()
                waits.append((heard - begun) * 1000)
        await ground.stop()
    cuts = statistics.quantiles(waits, n=100)
    return Serving(contestant.name, closes, cuts[49], cuts[98])
