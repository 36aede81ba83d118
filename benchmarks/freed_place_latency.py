"""From a place freed over HTTP to the event at a subscriber that assigns it to the oldest waiting contact."""

import asyncio
import json
import statistics
from dataclasses import dataclass

import aiormq
from aiormq.abc import DeliveredMessage

from benchmarks.admin_api_process import running_admin_api
from benchmarks.environment import Candidate, Environment
from benchmarks.wait_until import PATIENCE_SECONDS, until
from benchmarks.workload import Size, make_messages
from worker.broker.aiormq_channels import ConsumingChannel

WAITING = 1_000


@dataclass(frozen=True, slots=True)
class Serving:
    """Latencies in milliseconds."""

    candidate: str
    closes: int
    p50: float
    p99: float


async def measure(environment: Environment, candidate: Candidate, closes: int) -> Serving:
    """One operator with one place and a thousand waiting contacts: close one, and wait for the event of the next."""
    size = Size(messages=WAITING, operators=1, sources=1, limit=1)
    assigned: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    event_count = 0
    loop = asyncio.get_running_loop()

    async def hear(message: DeliveredMessage) -> None:
        nonlocal event_count
        event_count += 1
        event = json.loads(message.body)
        if event["type"] == "contact.assigned":
            assigned.put_nowait((event["data"]["contact"]["id"], loop.time()))

    async with environment.run(candidate, size) as run, aiormq.connect(environment.broker.url) as connection:
        await run.fill(list(make_messages(size, seed=5)))
        await (await ConsumingChannel(connection).opened()).basic_consume(run.events, hear, no_ack=True)
        await run.start()
        waits = []
        async with running_admin_api(run) as http, asyncio.timeout(PATIENCE_SECONDS):
            await until(lambda: event_count >= WAITING)
            contact_id, _ = await assigned.get()
            for _ in range(closes):
                begun = loop.time()
                (await http.post(f"/contacts/{contact_id}/close", json={})).raise_for_status()
                contact_id, heard = await assigned.get()
                waits.append((heard - begun) * 1000)
        await run.stop()
    cuts = statistics.quantiles(waits, n=100)
    return Serving(candidate.name, closes, cuts[49], cuts[98])
