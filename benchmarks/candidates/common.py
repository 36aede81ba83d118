"""What the programs beside ours share."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass

import orjson
import uvloop

ROUTING_KEY = "contact.assigned.bench.1"
PREFETCH = 1_000
EVENT_BYTES = 700
"""About the size of an event of ours."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The addresses and the prefix that a candidate gets."""

    amqp_url: str
    prefix: str
    database_url: str

    @property
    def inbound(self) -> str:
        """The queue to consume."""
        return f"{self.prefix}contacts.inbound.v1"

    @property
    def assignments(self) -> str:
        """The exchange to publish to."""
        return f"{self.prefix}assignments"


def environment() -> Environment:
    """Read it from the environment variables."""
    return Environment(os.environ["AMQP_URL"], os.environ["BROKER_PREFIX"], os.environ.get("DATABASE_URL", ""))


def event_of(body: bytes) -> bytes:
    """An event of the usual size that carries a submission."""
    plain = orjson.dumps({"specversion": "1.0", "type": "contact.assigned", "data": orjson.Fragment(body)})
    return plain + b" " * (EVENT_BYTES - len(plain))


def run(work: Coroutine[None, None, None]) -> None:
    """Run until SIGTERM, on the same event loop as ours."""
    uvloop.run(_until_signal(work))


async def _until_signal(work: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()
