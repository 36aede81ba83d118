"""A lane that goes on over its connection leaves no channels open on it."""

import asyncio
import time
from dataclasses import replace
from random import Random

import pytest

from devservices.broker import Broker
from distribution.ids import new_id
from distribution.store.database import Database
from distribution.store.outbox import Publication
from tests.broker_setup import worker_connection
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until, until_true
from worker.broker.connection import Connection
from worker.failpoints import Failpoint, no_failpoints
from worker.incident_log import IncidentLog
from worker.metrics import Metrics
from worker.publish.in_flight import REPLIES
from worker.publish.lane import Lane
from worker.publish.lane_state_machine import LaneState
from worker.publish.leased_rows import LeasedRows
from worker.publish.publication_metrics import PublicationMetrics
from worker.publish.publisher import PublishTarget
from worker.publish.retry_policy import RetryPolicy
from worker.readiness import Readiness

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LEASE_SECONDS, SOON_SECONDS = 60.0, 10.0
IMPATIENT = replace(REPLIES, confirm_seconds=-1.0)
"""Whatever is not confirmed yet is given up, and its channel left for a new one."""


def publication() -> Publication:
    """One that no queue takes."""
    row_id = new_id()
    return Publication(row_id, None, 0, str(row_id), "contact.assigned", "q", True, None, None, b"{}")


def open_channels(connection: Connection) -> int:
    """How many channels of ours are open."""
    return sum(channel is not None and not channel.is_closed for channel in connection.underlay.channels.values())


async def test_a_lane_whose_channel_ended_closes_the_others(world: WorkerHarness, rabbitmq: Broker) -> None:
    """The channel that was kept for what was in flight on it does not stay with the connection."""
    metrics, exchange, (first, second) = Metrics(), f"{world.topology.prefix}gone", (publication(), publication())
    rows = LeasedRows(Database(world.engine, Random(1)), Readiness(), no_failpoints)

    def see(point: Failpoint, about: str) -> None:
        if point is Failpoint.BEFORE_PUBLISH and about == first.message_id:
            lane.wake(poll=False)  # so that it looks before the broker can have confirmed

    def unconfirmed() -> float:
        return metrics.registry.get_sample_value("contacts_published_total", {"result": "reply_unconfirmed"}) or 0.0

    outcomes, target = PublicationMetrics(metrics, IncidentLog("test")), PublishTarget(exchange, mandatory=False)
    state = LaneState(IMPATIENT, RetryPolicy(), rows.unsettled, all_suspect=True)
    lane = Lane(state, target, rows, outcomes, see, lambda: False)
    async with await worker_connection(rabbitmq.url) as connection:
        declaring = await connection.underlay.channel()
        await declaring.exchange_declare(exchange)
        work = asyncio.create_task(lane.serve(connection))

        async def failed(number: int, *, channels: int) -> None:
            async def holds() -> bool:
                return lane.is_connected and unconfirmed() == number and open_channels(connection) == channels

            await until(holds, SOON_SECONDS)

        await until_true(lambda: lane.is_connected)
        before = open_channels(connection)
        lane.add([first], time.monotonic() + LEASE_SECONDS)
        await failed(1, channels=before + 1)
        await declaring.exchange_delete(exchange)
        lane.add([second], time.monotonic() + LEASE_SECONDS)
        await failed(2, channels=before)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
