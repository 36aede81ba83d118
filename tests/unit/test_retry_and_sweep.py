"""What goes wrong in one round of the periodic tasks ends neither it nor the worker, and the sweep goes on."""

import asyncio
from pathlib import Path
from random import Random

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy.exc import ProgrammingError
from structlog.testing import capture_logs

from distribution.store.database import Database
from distribution.store.engine import create_engine
from worker.broker.topology import Topology
from worker.consume.batch_committer import BatchCommitter
from worker.consume.context import ConsumeContext
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness
from worker.retry_and_sweep import RetryAndSweep
from worker.settings import WorkerSettings


class Failing(RetryAndSweep):
    """Fails once, then stops."""

    error: Exception | None
    sweeps = 0

    async def retry_deferred(self) -> None:
        """Raise the error, once."""
        error, self.error = self.error, None
        if error is None:
            self._stopping.set()
            return
        async with self._database.reading():
            raise error

    async def sweep(self) -> None:
        """Count."""
        self.sweeps += 1


@pytest.mark.parametrize(
    ("error", "is_defect"),
    [
        (asyncpg.InterfaceError("connection is closed"), False),
        (OSError("no route"), False),
        (KeyError("7"), True),
        (ProgrammingError("SELEC 1", {}, asyncpg.PostgresSyntaxError("syntax error at SELEC")), True),
    ],
)
async def test_the_next_round_comes(error: Exception, is_defect: bool, tmp_path: Path) -> None:
    """An outage, also one that no library wrapped, is logged in a line; a defect, also in SQL, with its traceback."""
    metrics, database = Metrics(), Database(create_engine(f"sqlite+aiosqlite:///{tmp_path}/contacts.db"), Random(1))
    relay = Relay(database, Topology("", "7D"), Readiness(), metrics, no_failpoints)
    batches, stopping = BatchCommitter(database), asyncio.Event()
    context = ConsumeContext(WorkerSettings(), database, batches, relay.inbox, Readiness(), metrics, stopping)
    tasks = Failing(context)
    tasks.error = error
    with capture_logs() as logged:
        await tasks.run()
    assert [line["event"] for line in logged] == ["sweep_failed"]
    assert tasks.sweeps == 1
    assert (logged[0]["exc_info"] is not None) == is_defect
    await database.engine.dispose()
