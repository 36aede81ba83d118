"""What goes wrong in one round of the sweeper ends neither it nor the worker."""

from random import Random

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from structlog.testing import capture_logs

from distribution.store.engine import create_engine
from worker.broker.topology import Topology
from worker.consume.batch_processor import BatchProcessor
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness
from worker.settings import WorkerSettings
from worker.sweeper import Sweeper


class Failing(Sweeper):
    """Fails once, then stops."""

    error: Exception | None

    async def retry_deferred(self) -> None:
        """Raise the error, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.stop()

    async def sweep(self) -> None:
        """Nothing is missed here."""


@pytest.mark.parametrize(
    ("error", "is_defect"),
    [(asyncpg.InterfaceError("connection is closed"), False), (OSError("no route"), False), (KeyError("7"), True)],
)
async def test_the_next_round_comes(error: Exception, is_defect: bool) -> None:
    """An outage, also one that no library wrapped, is logged in a line; a defect with its traceback."""
    engine, random, metrics = create_engine("sqlite+aiosqlite://"), Random(1), Metrics()
    relay = Relay(engine, Topology("", "7D"), Readiness(), metrics, random, no_failpoints)
    sweeper = Failing(WorkerSettings(), engine, BatchProcessor(engine, random), relay.client, metrics, random)
    sweeper.error = error
    with capture_logs() as logged:
        await sweeper.run()
    assert [line["event"] for line in logged] == ["sweep_failed"]
    assert (logged[0]["exc_info"] is not None) == is_defect
    await engine.dispose()
