"""What is on its way to the broker, and what became of it."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from aiormq.abc import AbstractConnection

from distribution.store.outbox import Publication
from worker.blocked import is_blocked, unblocked
from worker.link import wait_for_event
from worker.points import Point, Watch
from worker.publisher import Landed, Publisher, Refused
from worker.status import Status
from worker.topology import Topology

SIZE = 200
CONFIRM_SECONDS = 30.0
LOOK_SECONDS = 1.0
FORGET_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A publication that is ours until a moment, in seconds since the epoch."""

    until: float
    publication: Publication


@dataclass(slots=True)
class Hand:
    """What a relay has in hand; it outlives connections.

    `suspects` were in flight when the broker refused one of them: they go one by one until the culprit is found.
    """

    waiting: deque[Held] = field(default_factory=deque)
    confirmed: list[UUID] = field(default_factory=list)
    returned: list[Held] = field(default_factory=list)
    aside: list[UUID] = field(default_factory=list)
    suspects: set[UUID] = field(default_factory=set)

    def take_confirmed(self) -> list[UUID]:
        """What is to be forgotten; the taker does it, or puts it back: no two ever delete the same rows."""
        done, self.confirmed = self.confirmed, []
        return done

    def take_aside(self) -> list[UUID]:
        """What is to be set aside; likewise."""
        aside, self.aside = self.aside, []
        return aside


class Window:
    """Publishes over one connection, at most SIZE publications at once."""

    def __init__(self, connection: AbstractConnection, status: Status, watch: Watch) -> None:
        self._connection, self._status, self._watch = connection, status, watch
        self._publishers: dict[bool, Publisher] = {}
        self._flying: dict[UUID, tuple[float, Held]] = {}
        self._landed: list[tuple[Publication, Landed, str]] = []
        self._news = asyncio.Event()
        self._unblocked_at = 0.0
        self._log = structlog.get_logger("worker.relay")

    @classmethod
    async def open(cls, connection: AbstractConnection, topology: Topology, status: Status, watch: Watch) -> "Window":
        """Open a channel for events and one for replies: the two may have the same id."""
        window = cls(connection, status, watch)
        tell, ended = window._tell, window._news.set
        mandatory = bool(topology.event_log_max_age)
        window._publishers = {
            False: await Publisher.open(connection, topology.assignments, tell, ended, mandatory=mandatory),
            True: await Publisher.open(connection, "", tell, ended, mandatory=False),
        }
        return window

    async def publish(self, hand: Hand, forget: Callable[[], Awaitable[None]]) -> None:
        """Publish what waits. On a failure what is not confirmed waits again.

        The connection must not be used after that: what is still in flight on it has the same ids.
        """
        try:
            while await self._take_off(hand):
                await self._until_landed()
                self._land(hand)
                if len(hand.confirmed) >= FORGET_AT_ONCE:
                    await forget()
        except Refused as refused:
            self._blame(hand, str(refused))
            raise
        finally:
            hand.waiting.extendleft(held for _, held in reversed(self._flying.values()))

    async def _take_off(self, hand: Hand) -> bool:
        """Fill the window with whatever still is ours to publish; answers whether anything is on its way."""
        now, since = time.time(), asyncio.get_running_loop().time()
        size = 1 if hand.suspects else SIZE
        ready: list[Publication] = []
        while hand.waiting and len(self._flying) < size:
            held = hand.waiting.popleft()
            if held.until > now:
                self._watch(Point.BEFORE_PUBLISH, held.publication.message_id)
                self._flying[held.publication.id] = since, held
                ready.append(held.publication)
            else:
                hand.suspects.discard(held.publication.id)
        for of_replies, publisher in self._publishers.items():
            if of_kind := [publication for publication in ready if publication.reply is of_replies]:
                await publisher.send(of_kind)
        return bool(self._flying)

    async def _until_landed(self) -> None:
        """Wait for the next. Raises TimeoutError where a broker that takes publications does not confirm one."""
        while not self._landed:
            for publisher in self._publishers.values():
                publisher.check()
            self._news.clear()
            await wait_for_event(self._news, LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            oldest, _ = next(iter(self._flying.values()))
            if is_blocked(self._connection):
                await unblocked(self._connection)
                self._unblocked_at = asyncio.get_running_loop().time()
            elif not self._landed and now > max(oldest, self._unblocked_at) + CONFIRM_SECONDS:
                raise TimeoutError(f"the broker confirmed nothing for {CONFIRM_SECONDS:.0f} s")

    def _tell(self, publication: Publication, landed: Landed, why: str) -> None:
        """What the publishers call; the rest is done outside the client library's reader."""
        self._landed.append((publication, landed, why))
        self._news.set()

    def _land(self, hand: Hand) -> None:
        """Note what became of them; raise what went wrong."""
        news, self._landed = self._landed, []
        published = Counter[str]()
        for publication, landed, why in news:
            if landed is Landed.REFUSED:
                raise ConnectionError("the broker could not take an event")
            _, held = self._flying.pop(publication.id)
            hand.suspects.discard(publication.id)
            if landed is Landed.CONFIRMED:
                self._watch(Point.AFTER_CONFIRM, publication.message_id)
                published["reply" if publication.reply else publication.type] += 1
                hand.confirmed.append(publication.id)
            elif landed is Landed.UNROUTABLE:
                published["unroutable"] += 1
                self._log.error(
                    "event_unroutable", routing_key=publication.routing_key, event_id=publication.message_id
                )
                hand.returned.append(held)
            else:
                self._complain(publication, why)
                hand.aside.append(publication.id)
        for kind, number in published.items():
            self._status.published.labels(kind).inc(number)

    def _blame(self, hand: Hand, why: str) -> None:
        """The broker refused something that was in flight: what flew alone is the culprit, else each is a suspect."""
        flew = [held.publication for _, held in self._flying.values()]
        hand.suspects.update(publication.id for publication in flew)
        if len(flew) == 1:
            self._complain(flew[0], why)
            self._flying.clear()
            hand.aside.append(flew[0].id)
            hand.suspects.discard(flew[0].id)

    def _complain(self, publication: Publication, why: str) -> None:
        self._status.published.labels("unpublishable").inc()
        self._log.error("event_unpublishable", event_id=publication.message_id, type=publication.type, reason=why)
