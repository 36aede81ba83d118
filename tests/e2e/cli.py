"""`contacts-worker` as a process."""

import asyncio
from dataclasses import dataclass

from devservices.app_process import app_environment
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS
from tests.e2e.programs import Programs
from tests.programs.forked import start
from worker.broker.topology import Topology


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str


async def cli(programs: Programs, *arguments: str, stdin: str = "", **settings: str) -> Said:
    """`contacts-worker` with these arguments."""
    environment = app_environment(programs.settings | settings)
    child = await start("worker.cli.main", arguments, cwd=programs.folder, env=environment)
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await child.communicate(stdin.encode())
    return Said(child.returncode or 0, out.decode(), err.decode())


async def declared(programs: Programs) -> Topology:
    """Everything that the worker declares, without a worker."""
    topology = Topology(programs.settings["BROKER_PREFIX"], programs.settings["EVENT_LOG_MAX_AGE"])
    await declare_at(programs.settings["AMQP_URL"], topology)
    return topology
