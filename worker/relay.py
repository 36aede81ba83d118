"""Outbox → assignments: what was committed is published until the broker confirms it, then forgotten."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from uuid import UUID

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.services.intake import Intake
from distribution.store import outbox
from distribution.store.commit import commit
from distribution.store.engine import reading
from distribution.store.failures import in_words
from distribution.store.outbox import Claim
from worker.batches import DatabaseAway
from worker.link import wait_for_event
from worker.points import Point, Watch
from worker.status import Status
from worker.topology import Topology, declare
from worker.window import Hand, Held, Window

HELD_AT_MOST = 2_000
LEASE_SECONDS = 15.0
ASIDE_SECONDS = 600.0
POLL_SECONDS = 0.05
AWAY_SECONDS = 2.0
DECLARE_EVERY_SECONDS = 5.0
PART, OUTBOX = "publishing", "outbox"


class Relay:
    """Publishes what this worker just committed, straight from memory, and claims from the outbox what nobody has.

    A row is its claimer's until its lease ends; then anybody's. A lease that ends too early costs a second copy of an
    event with the same id, never an event: a contact's next event is free only once the one before is deleted. A row
    that cannot be published is set aside for a while, and with it the later events of its contact; no other waits.
    """

    def __init__(self, engine: AsyncEngine, topology: Topology, status: Status, random: Random, watch: Watch) -> None:
        self._engine, self._topology, self._status, self._random = engine, topology, status, random
        self._watch = watch
        status.problem(PART, "not publishing")
        self._me = new_id()
        self._hand = Hand()
        self._joined = False
        self._look = True
        self._look_at = 0.0
        self._declare_at = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        self._connected = False
        self._log = structlog.get_logger("worker.relay")

    def claim(self) -> Claim | None:
        """A claim for events about to be written, while there is room to publish them from memory."""
        room = self._connected and len(self._hand.waiting) < HELD_AT_MOST
        return Claim(self._me, time.time() + LEASE_SECONDS) if room else None

    @contextmanager
    def joined(self) -> Iterator[list[UUID]]:
        """While a batch is at work: the events that its transaction shall forget, so that it needs none of its own.

        What is confirmed meanwhile is left for the next batch, or forgotten once there is none.
        """
        done = self._hand.take_confirmed()
        if done:
            self._watch(Point.BEFORE_DELETE, "")
        self._joined = True
        try:
            yield done
        except BaseException:
            self._hand.confirmed += done
            raise
        finally:
            self._joined = False
            self._wake.set()

    def hand_over(self, intake: Intake) -> None:
        """Take what was committed under a claim of ours; what was not claimed is found in the outbox."""
        claim = intake.claim
        own = [Held(claim.until, p) for p in intake.publications if outbox.is_first(p)] if claim else []
        self._hand.waiting.extend(own)
        if len(own) < len(intake.publications):
            self._look = True
        self._wake.set()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._look = True
        self._wake.set()

    def stop(self) -> None:
        """Make `serve` return after one more pass: what is in memory and what is in the outbox."""
        self._stopping = self._look = True
        self._wake.set()

    async def serve(self, connection: AbstractConnection) -> None:
        """Publish over one connection until stopped; raises when the connection fails."""
        declaring = await connection.channel()
        await declare(declaring, self._topology)
        window = await Window.open(connection, self._topology, self._status, self._watch)
        self._connected = True
        self._status.fine(PART)
        try:
            while not await self._pass(window):
                await self._route(declaring)
                await wait_for_event(self._wake, POLL_SECONDS if OUTBOX not in self._status.problems else AWAY_SECONDS)
        finally:
            self._connected = False
            self._status.problem(PART, "not publishing")

    async def _pass(self, window: Window) -> bool:
        """Publish all there is; answers whether that was the last pass."""
        last = self._stopping
        self._wake.clear()
        try:
            while self._hand.waiting or self._to_forget() or await self._claim_more():
                await window.publish(self._hand, self._forget_if_possible)
                await self._forget()
        except DatabaseAway as away:
            self._away(away)
        else:
            self._status.fine(OUTBOX)
        return last

    async def _route(self, declaring: AbstractChannel) -> None:
        """Where no queue took an event although there is a log, the log is gone: make it anew and try once more."""
        returned, self._hand.returned = self._hand.returned, []
        if returned and time.monotonic() > self._declare_at:
            self._declare_at = time.monotonic() + DECLARE_EVERY_SECONDS
            await declare(declaring, self._topology)
            self._hand.waiting.extendleft(reversed(returned))
            self._wake.set()

    async def _claim_more(self) -> bool:
        """Look into the outbox where there may be something, and every POLL_SECONDS, as what others write says nothing.

        Something there that cannot be claimed waits for an older event of its contact, so it stays worth a look.
        """
        if not self._look and time.monotonic() < self._look_at:
            return False
        self._look, self._look_at = False, time.monotonic() + POLL_SECONDS
        now = time.time()
        mine = Claim(self._me, now + LEASE_SECONDS)
        async with self._database():
            async with reading(self._engine) as conn:
                if not await outbox.any_free(conn, now):
                    return False
            self._look = True
            claimed = await commit(self._engine, self._random, lambda conn: outbox.claim(conn, mine, now, HELD_AT_MOST))
        self._hand.waiting.extend(Held(mine.until, publication) for publication in claimed)
        return bool(claimed)

    async def _forget_if_possible(self) -> None:
        """Forget while others are in flight: those must land, whatever the database does."""
        if OUTBOX not in self._status.problems:
            try:
                await self._forget()
            except DatabaseAway as away:
                self._away(away)

    def _to_forget(self) -> bool:
        return bool(self._hand.confirmed or self._hand.aside) and not self._joined

    async def _forget(self) -> None:
        """Delete what is confirmed, set aside what cannot be published, unless the next batch will."""
        if not self._to_forget():
            return
        done, aside = self._hand.take_confirmed(), self._hand.take_aside()
        self._watch(Point.BEFORE_DELETE, "")
        until = time.time() + ASIDE_SECONDS
        try:
            async with self._database():
                await commit(self._engine, self._random, lambda conn: outbox.settle(conn, done, aside, until))
        except BaseException:
            self._hand.confirmed += done
            self._hand.aside += aside
            raise

    def _away(self, away: DatabaseAway) -> None:
        self._look = True
        self._status.problem(OUTBOX, str(away))
        self._log.warning("outbox_away", reason=str(away))

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[None]:
        """What the database does not do here says nothing of the broker's connection."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(in_words(error)) from error
