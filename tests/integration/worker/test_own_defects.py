"""A worker of a release whose statements are wrong."""

import asyncio
from random import Random

from devservices.broker import Broker
from distribution.store.database import Database
from tests.clients import body, message
from tests.factories import SOURCE, make_source
from tests.integration.statement_mistakes import mistaken
from tests.integration.worker.deliveries import arrive, delivered
from tests.integration.worker.harness import WorkerHarness
from worker.consume.batch_committer import BatchCommitter
from worker.consume.context import ConsumeContext
from worker.consume.delivery_buffer import ALONE, SAFE, SUSPECT
from worker.consume.delivery_settler import DeliverySettler
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness


async def test_a_worker_whose_statements_are_wrong_is_not_ready(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A rollout of it stops before it has parked everything; it is ready once a batch brings none out."""
    await make_source(world.engine, {})
    readiness, metrics, database = Readiness(), Metrics(), Database(world.engine, Random(1))
    relay = Relay(database, world.topology, readiness, metrics, no_failpoints)
    batches = BatchCommitter(database)
    context = ConsumeContext(world.settings, database, batches, relay.inbox, readiness, metrics, asyncio.Event())
    settler = DeliverySettler(context, {SAFE: 1, SUSPECT: 1, ALONE: 1})
    async with delivered(rabbitmq, world.topology.inbound) as (_, buffer):
        await world.bot.publish([message(body(SOURCE, "a"), "m-1")])
        with mistaken(world.engine, "INSERT INTO contacts"):
            await settler.settle(buffer, await arrive(buffer, 1))
        assert "syntax error" in readiness.problems["defect"]
        await world.bot.publish([message(body(SOURCE, "b"), "m-2")])
        await settler.settle(buffer, await arrive(buffer, 1))
    assert "defect" not in readiness.problems
