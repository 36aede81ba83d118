"""What was given back in an outage is taken in parts."""

import asyncio
from collections.abc import Sequence
from random import Random
from uuid import UUID

import pytest

from devservices.broker import Broker
from distribution.errors import DatabaseUnavailable
from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from distribution.store.database import Database
from distribution.store.outbox import Claim
from distribution.store.tables import contacts
from tests.factories import count, open_source
from tests.integration.worker.deliveries import arrive, delivered
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.outages import NUMBER, send
from worker.consume.batch_committer import BatchCommitter
from worker.consume.batch_progress import OnCommit
from worker.consume.context import ConsumeContext
from worker.consume.delivery_buffer import ALONE, SAFE, SUSPECT, ReturnedToBroker
from worker.consume.delivery_settler import DeliverySettler
from worker.database_outage import RetryDelays
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness

PART_TAKEN, TAKEN_AGAIN = 2, 5
AT_ONCE = RetryDelays(first=0.01, longest=0.02, hold=0)


class Failing(BatchCommitter):
    """A database that is away, takes a part at one try, is away again, and comes back."""

    tries = 0

    async def commit_messages(
        self,
        messages: Sequence[DecodedMessage],
        claim: Claim | None,
        confirmed_ids: list[UUID] | None = None,
        on_commit: OnCommit | None = None,
    ) -> list[BatchResult]:
        """Commit it, or the first alone, or nothing."""
        self.tries += 1
        if self.tries == PART_TAKEN:
            await super().commit_messages(messages[:1], claim, confirmed_ids, on_commit)
        if self.tries < TAKEN_AGAIN:
            raise DatabaseUnavailable("away")
        return await super().commit_messages(messages, claim, confirmed_ids, on_commit)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_is_consumed_until_the_rest_is_taken(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A database that takes a part and is away again is waited for as before."""
    await open_source(world.engine, "s", {"Olga": (1, NUMBER)})
    await send(world)
    readiness, metrics, database = Readiness(), Metrics(), Database(world.engine, Random(1))
    batches = Failing(database)
    relay = Relay(database, world.topology, readiness, metrics, no_failpoints)
    together = {SAFE: NUMBER, SUSPECT: 1, ALONE: 1}
    context = ConsumeContext(
        world.settings, database, batches, relay.inbox, readiness, metrics, asyncio.Event(), retry_delays=AT_ONCE
    )
    settler = DeliverySettler(context, together)
    async with delivered(rabbitmq, world.topology.inbound) as (_, inbox):
        deliveries = await arrive(inbox, NUMBER)
        with pytest.raises(ReturnedToBroker):
            await settler.settle(inbox, deliveries)
    await settler.until_taken()
    assert batches.tries == TAKEN_AGAIN
    assert "database" not in readiness.problems
    assert await count(world.engine, contacts) > 1
