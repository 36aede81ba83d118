"""Outbox → assignments: what was committed is published until the broker confirms it, then forgotten."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from uuid import UUID

import structlog
from aiormq.abc import AbstractConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import outbox
from distribution.store.engine import reading, transaction
from distribution.store.failures import in_words
from distribution.store.outbox import Claim, Publication
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

    def __init__(self, engine: AsyncEngine, topology: Topology, status: Status) -> None:
        self._engine, self._topology, self._status = engine, topology, status
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

    async def _pass(self, events: Publisher, replies: Publisher) -> bool:
        """Publish all there is; answers whether that was the last pass."""
        last = self._stopping
        self._wake.clear()
        try:
            while self._mine or self._confirmed or await self._claim_more():
                await self._publish_mine(events, replies)
                await self._forget()
        except SQLAlchemyError as error:
            self._status.problem(OUTBOX, "the database is away")
            self._log.warning("outbox_away", reason=in_words(error))
            return last
        self._status.fine(OUTBOX)
        return last

    async def _publish_mine(self, events: Publisher, replies: Publisher) -> None:
        """Publish what is in memory, WINDOW at a time; on a failure what is not confirmed stays in memory."""
        flying: dict[asyncio.Task[bool], Held] = {}
        try:
            while self._mine or flying:
                while self._mine and len(flying) < WINDOW:
                    held = self._mine.popleft()
                    if held[0] > time.time():
                        publisher = replies if held[1].reply else events
                        flying[asyncio.create_task(self._publish(publisher, held[1]))] = held
                if not flying:
                    return
                done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.result():
                        self._confirmed.append(flying[task][1].id)
                    del flying[task]
                if len(self._confirmed) >= FORGET_AT_ONCE:
                    await self._forget()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
            self._mine.extendleft(reversed(flying.values()))

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
        async with reading(self._engine) as conn:
            if not await outbox.any_free(conn, time.time()):
                return False
        until = time.time() + LEASE_SECONDS
        async with transaction(self._engine) as conn:
            claimed = await outbox.claim(conn, Claim(self._me, until), time.time(), HELD_AT_MOST)
        self._mine.extend((until, publication) for publication in claimed)
        return bool(claimed)

    async def _forget(self) -> None:
        done = self._confirmed[:]
        if done:
            async with transaction(self._engine) as conn:
                await outbox.delete(conn, done)
            del self._confirmed[: len(done)]
