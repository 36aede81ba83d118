"""What is on its way to the broker, and what became of it."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

import structlog
from aiormq.abc import AbstractConnection

from distribution.store.outbox import Publication
from worker.blocked import is_blocked, unblocked
from worker.points import Point, Watch
from worker.publisher import Publisher, Refused, Unroutable, Unsendable
from worker.status import Status

SIZE = 200
CONFIRM_SECONDS = 30.0
FORGET_AT_ONCE = 500


class Landed(Enum):
    """How a publication ended."""

    CONFIRMED = auto()
    UNROUTABLE = auto()
    UNSENDABLE = auto()


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


class Window:
    """Publishes over one connection, at most SIZE publications at once."""

    def __init__(
        self, connection: AbstractConnection, events: Publisher, replies: Publisher, status: Status, watch: Watch
    ) -> None:
        self._connection, self._events, self._replies = connection, events, replies
        self._status, self._watch = status, watch
        self._flying: dict[asyncio.Task[Landed], tuple[float, Held]] = {}
        self._landed: asyncio.Queue[asyncio.Task[Landed]] = asyncio.Queue()
        self._unblocked_at = 0.0
        self._log = structlog.get_logger("worker.relay")

    async def publish(self, hand: Hand, forget: Callable[[], Awaitable[None]]) -> None:
        """Publish what waits. On a failure what is not confirmed waits again.

        The connection must not be used after that: what is still in flight on it has the same ids.
        """
        try:
            while self._take_off(hand):
                self._land(hand, await self._next())
                while not self._landed.empty():
                    self._land(hand, self._landed.get_nowait())
                if len(hand.confirmed) >= FORGET_AT_ONCE:
                    await forget()
        except Refused as refused:
            self._blame(hand, str(refused))
            raise
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)
            hand.waiting.extendleft(held for _, held in reversed(self._flying.values()))

    def _take_off(self, hand: Hand) -> bool:
        """Fill the window with whatever still is ours to publish; answers whether anything is on its way."""
        now, since = time.time(), asyncio.get_running_loop().time()
        size = 1 if hand.suspects else SIZE
        while hand.waiting and len(self._flying) < size:
            held = hand.waiting.popleft()
            if held.until > now:
                task = asyncio.create_task(self._publish(held.publication))
                task.add_done_callback(self._landed.put_nowait)
                self._flying[task] = since, held
            else:
                hand.suspects.discard(held.publication.id)
        return bool(self._flying)

    async def _next(self) -> asyncio.Task[Landed]:
        """The next that landed. Raises TimeoutError where a broker that takes publications does not confirm one."""
        while True:
            oldest, _ = next(iter(self._flying.values()))
            try:
                async with asyncio.timeout_at(max(oldest, self._unblocked_at) + CONFIRM_SECONDS):
                    return await self._landed.get()
            except TimeoutError:
                if not is_blocked(self._connection):
                    raise TimeoutError(f"the broker confirmed nothing for {CONFIRM_SECONDS:.0f} s") from None
            await unblocked(self._connection)
            self._unblocked_at = asyncio.get_running_loop().time()

    def _land(self, hand: Hand, task: asyncio.Task[Landed]) -> None:
        """Note what became of it; raise what went wrong."""
        _, held = self._flying[task]
        landed = task.result()
        del self._flying[task]
        hand.suspects.discard(held.publication.id)
        match landed:
            case Landed.CONFIRMED:
                hand.confirmed.append(held.publication.id)
            case Landed.UNROUTABLE:
                hand.returned.append(held)
            case Landed.UNSENDABLE:
                hand.aside.append(held.publication.id)

    async def _publish(self, publication: Publication) -> Landed:
        self._watch(Point.BEFORE_PUBLISH, publication.message_id)
        try:
            await (self._replies if publication.reply else self._events).publish(publication)
        except Unroutable:
            self._status.published.labels("unroutable").inc()
            self._log.error("event_unroutable", routing_key=publication.routing_key, event_id=publication.message_id)
            return Landed.UNROUTABLE
        except Unsendable as unsendable:
            self._complain(publication, str(unsendable))
            return Landed.UNSENDABLE
        self._watch(Point.AFTER_CONFIRM, publication.message_id)
        self._status.published.labels("reply" if publication.reply else publication.type).inc()
        return Landed.CONFIRMED

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
