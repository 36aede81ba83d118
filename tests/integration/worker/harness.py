"""A worker inside the test's loop, on a real broker and both databases."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.clients import PATIENCE_SECONDS, Bot, Subscriber
from worker.app import run
from worker.broker.topology import Topology
from worker.database_outage import DEFAULT_DELAYS, RetryDelays
from worker.failpoints import FailpointHook, no_failpoints
from worker.settings import WorkerSettings


@dataclass
class WorkerHarness:
    """One test's own corner: a database, names on the broker, a bot, a subscriber, and a way to run workers."""

    engine: AsyncEngine
    settings: WorkerSettings
    topology: Topology
    bot: Bot
    subscriber: Subscriber
    replies_to: str
    replies: Subscriber

    @asynccontextmanager
    async def worker(
        self, at_failpoint: FailpointHook = no_failpoints, retry_delays: RetryDelays = DEFAULT_DELAYS
    ) -> AsyncIterator[str]:
        """A running worker that is ready; gives the address of its health pages; stopped in order at the end."""
        listening = socket.create_server(("127.0.0.1", 0))
        stopping = asyncio.Event()
        work = asyncio.create_task(run(self.settings, listening, stopping, at_failpoint, retry_delays))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            await ready(address, work)
            yield address
        finally:
            stopping.set()
            try:
                await work
            finally:
                # After a crash nobody else does; in a process of its own nobody has to.
                if listening.fileno() != -1:
                    asyncio.get_running_loop().remove_reader(listening)
                    listening.close()


async def ready(address: str, work: asyncio.Task[None]) -> None:
    """Wait until the worker says that it is ready; raise its error where it died before."""
    async with asyncio.timeout(PATIENCE_SECONDS), httpx2.AsyncClient(trust_env=False) as http:
        while not work.done():
            try:
                if (await http.get(f"{address}/readyz")).is_success:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.wait({work}, timeout=0.05)
    await work
