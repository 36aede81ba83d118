"""A lane that goes on over its connection leaves no channels open on it."""

import asyncio
from dataclasses import replace
from random import Random

import aiormq
import pytest
from aiormq.abc import AbstractConnection

from devservices.broker import Broker
from distribution.ids import new_id
from distribution.store.outbox import Publication
from tests.integration.worker.conftest import World
from tests.waiting import until
from worker.flights import REPLIES
from worker.incidents import Incidents
from worker.lane import Lane
from worker.outcomes import Outcomes
from worker.points import Point, unwatched
from worker.rows import Rows
from worker.status import Status
from worker.tries import EventTries
from worker.window import Target

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LEASE_SECONDS = 60.0
IMPATIENT = replace(REPLIES, confirm_seconds=-1.0)
"""Whatever is not confirmed yet is given up, and its channel left for a new one."""


def publication() -> Publication:
    """One that no queue takes."""
    row_id = new_id()
    return Publication(row_id, None, 0, str(row_id), "contact.assigned", "q", True, None, None, b"{}")


def open_channels(connection: AbstractConnection) -> int:
    """How many channels of ours are open."""
    return sum(channel is not None and not channel.is_closed for channel in connection.channels.values())


async def test_a_lane_whose_channel_ended_closes_the_others(world: World, rabbitmq: Broker) -> None:
    """The channel that was kept for what was in flight on it does not stay with the connection."""
    status, exchange = Status(), f"{world.topology.prefix}gone"
    rows = Rows(world.engine, status, Random(1), unwatched)

    def see(point: Point, _about: str) -> None:
        if point is Point.BEFORE_PUBLISH:
            lane.wake(look=False)  # so that it looks before the broker can have confirmed

    outcomes, target = Outcomes(status, Incidents("test")), Target(exchange, mandatory=False)
    lane = Lane(IMPATIENT, EventTries(), target, rows, outcomes, see, lambda: False, all_suspect=True)
    async with aiormq.connect(rabbitmq.url) as connection:
        declaring = await connection.channel()
        await declaring.exchange_declare(exchange)
        work = asyncio.create_task(lane.serve(connection))

        async def channels(number: int) -> None:
            async def are_open() -> bool:
                return lane.is_connected and open_channels(connection) == number

            await until(are_open, LEASE_SECONDS / 6)

        loop = asyncio.get_running_loop()
        await until(lambda: asyncio.sleep(0, lane.is_connected))
        before = open_channels(connection)
        lane.add([publication()], loop.time() + LEASE_SECONDS)
        await channels(before + 1)
        await declaring.exchange_delete(exchange)
        lane.add([publication()], loop.time() + LEASE_SECONDS)
        await channels(before)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
