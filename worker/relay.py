"""Outbox → assignments: what was committed is published until the broker confirms it, then forgotten."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random
from uuid import UUID

import structlog
from aiormq.abc import AbstractConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import outbox
from distribution.store.commit import commit
from distribution.store.engine import reading
from distribution.store.failures import in_words
from distribution.store.outbox import Claim, Publication
from worker.batches import DatabaseAway
from worker.link import wait_for_event
from worker.publisher import Publisher, Unroutable
from worker.status import Status
from worker.topology import Topology, declare

WINDOW = 200
HELD_AT_MOST = 2_000
LEASE_SECONDS = 15.0
POLL_SECONDS = 0.25
FORGET_AT_ONCE = 500
PART, OUTBOX = "publishing", "outbox"

Held = tuple[float, Publication]


class Relay:
    """Publishes what this worker just committed, straight from memory, and claims from the outbox what nobody has.

    A row is its claimer's until its lease ends; then anybody's. A lease that ends too early costs a second copy of an
    event with the same id, never an event: a contact's next event is free only once the one before is deleted.
    """

    def __init__(self, engine: AsyncEngine, topology: Topology, status: Status, random: Random) -> None:
        self._engine, self._topology, self._status, self._random = engine, topology, status, random
        status.problem(PART, "not publishing")
        self._me = new_id()
        self._mine: deque[Held] = deque()
        self._confirmed: list[UUID] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._connected = False
        self._log = structlog.get_logger("worker.relay")

    def claim(self) -> Claim | None:
        """A claim for events about to be written, while there is room to publish them from memory."""
        room = self._connected and len(self._mine) < HELD_AT_MOST
        return Claim(self._me, time.time() + LEASE_SECONDS) if room else None

    def hand_over(self, publications: Iterable[Publication], claim: Claim | None) -> None:
        """Take what was committed under a claim; what was not claimed is found in the outbox."""
        if claim is not None:
            self._mine.extend((claim.until, p) for p in publications if outbox.is_first(p))
        self._wake.set()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    def stop(self) -> None:
        """Make `serve` return after one more pass: what is in memory and what is in the outbox."""
        self._stopping = True
        self._wake.set()

    async def serve(self, connection: AbstractConnection) -> None:
        """Publish over one connection until stopped; raises when the connection fails."""
        await declare(await connection.channel(), self._topology)
        mandatory = bool(self._topology.event_log_max_age)
        events = await Publisher.open(connection, self._topology.assignments, mandatory=mandatory)
        replies = await Publisher.open(connection, "", mandatory=False)
        self._connected = True
        self._status.fine(PART)
        try:
            while not await self._pass(events, replies):
                await wait_for_event(self._wake, POLL_SECONDS)
        finally:
            self._connected = False
            self._status.problem(PART, "not publishing")

    async def _pass(self, events: Publisher, replies: Publisher) -> bool:
        """Publish all there is; answers whether that was the last pass."""
        last = self._stopping
        self._wake.clear()
        try:
            while self._mine or self._confirmed or await self._claim_more():
                await self._publish_mine(events, replies)
                await self._forget()
        except DatabaseAway as away:
            self._status.problem(OUTBOX, str(away))
            self._log.warning("outbox_away", reason=str(away))
        else:
            self._status.fine(OUTBOX)
        return last

    async def _publish_mine(self, events: Publisher, replies: Publisher) -> None:
        """Publish what is in memory, WINDOW at a time; on a failure what is not confirmed stays in memory."""
        flying: dict[asyncio.Task[bool], Held] = {}
        landed: asyncio.Queue[asyncio.Task[bool]] = asyncio.Queue()
        try:
            while self._take_off(flying, landed, events, replies):
                await self._land(flying, await landed.get())
                while not landed.empty():
                    await self._land(flying, landed.get_nowait())
                if len(self._confirmed) >= FORGET_AT_ONCE:
                    await self._forget()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
            self._mine.extendleft(reversed(flying.values()))

    def _take_off(
        self,
        flying: dict[asyncio.Task[bool], Held],
        landed: asyncio.Queue[asyncio.Task[bool]],
        events: Publisher,
        replies: Publisher,
    ) -> bool:
        """Fill the window with whatever still is ours to publish; answers whether anything is on its way."""
        now = time.time()
        while self._mine and len(flying) < WINDOW:
            until, publication = self._mine.popleft()
            if until > now:
                task = asyncio.create_task(self._publish(replies if publication.reply else events, publication))
                task.add_done_callback(landed.put_nowait)
                flying[task] = (until, publication)
        return bool(flying)

    async def _land(self, flying: dict[asyncio.Task[bool], Held], task: asyncio.Task[bool]) -> None:
        """Note what the broker confirmed; raise what went wrong."""
        if await task:
            self._confirmed.append(flying[task][1].id)
        del flying[task]

    async def _publish(self, publisher: Publisher, publication: Publication) -> bool:
        """Whether the row is done with; an unroutable one stays until its lease ends and is tried again."""
        try:
            await publisher.publish(publication)
        except Unroutable:
            self._status.published.labels("unroutable").inc()
            self._log.error("event_unroutable", routing_key=publication.routing_key, event_id=publication.message_id)
            return False
        self._status.published.labels("reply" if publication.reply else publication.type).inc()
        return True

    async def _claim_more(self) -> bool:
        now = time.time()
        mine = Claim(self._me, now + LEASE_SECONDS)

        async with self._database():
            async with reading(self._engine) as conn:
                if not await outbox.any_free(conn, now):
                    return False
            claimed = await commit(self._engine, self._random, lambda conn: outbox.claim(conn, mine, now, HELD_AT_MOST))
        self._mine.extend((mine.until, publication) for publication in claimed)
        return bool(claimed)

    async def _forget(self) -> None:
        done = self._confirmed[:]
        if done:
            async with self._database():
                await commit(self._engine, self._random, lambda conn: outbox.delete(conn, done))
            del self._confirmed[: len(done)]

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[None]:
        """What the database does not do here says nothing of the broker's connection."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(in_words(error)) from error
