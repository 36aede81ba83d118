"""The stream of events, which a broker that starts recovers last: until then no question about it is answered."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from aio_pika.exceptions import ChannelNotFoundEntity

from worker.broker.connection import Connection, not_cancelled, opened
from worker.broker.topology import Topology, declare_each

PATIENCE_SECONDS = 2.0

T = TypeVar("T")


class Slow(Generic[T]):
    """One question at a time that may take long: what is asked while one is open waits for the same answer."""

    def __init__(self) -> None:
        self._open: asyncio.Task[T] | None = None

    async def within(self, seconds: float, question: Coroutine[Any, Any, T]) -> T | None:
        """The answer; None if there is none yet. Raises what the question raises, also in a later call."""
        if self._open is None:
            self._open = asyncio.create_task(not_cancelled(question))
        else:
            question.close()
        await asyncio.wait({self._open}, timeout=seconds)
        return self.answer()

    def answer(self) -> T | None:
        """The answer, once; None if there is none yet, or nothing was asked."""
        if self._open is None or not self._open.done():
            return None
        done, self._open = self._open, None
        return done.result()

    async def close(self) -> None:
        """Ask no more."""
        if self._open is not None:
            self._open.cancel()
            await asyncio.gather(self._open, return_exceptions=True)
            self._open = None


class EventLog:
    """`assignments.log` over one connection: nothing else waits for it for longer than `seconds`.

    Its questions have a channel of their own, since a channel answers one after the other.
    """

    def __init__(self, topology: Topology, connection: Connection, seconds: float = PATIENCE_SECONDS) -> None:
        self._topology, self._seconds = topology, seconds
        self._declaring, self._looking = Slow[bool](), Slow[bool]()
        self._channel = connection.channel(publisher_confirms=False)

    @property
    def name(self) -> str:
        """What it is called where it is missing."""
        return f"queue {self._topology.log}"

    async def declare(self) -> bool:
        """Whether it is declared, or looked at, and bound; else that goes on. Raises as `declare_each` does."""
        return bool(await self._declaring.within(self._seconds, self._declare()))

    async def is_there(self) -> bool | None:
        """Whether the broker has it; None if it does not say so yet."""
        return await self._looking.within(self._seconds, self._look())

    def check(self) -> None:
        """Raise what the broker had against a declaration that went on."""
        self._declaring.answer()

    async def close(self) -> None:
        """Ask no more; the channel ends with the connection."""
        await self._declaring.close()
        await self._looking.close()

    async def _declare(self) -> bool:
        if self._topology.log_queue is not None:
            channel = await opened(self._channel)
            await declare_each(channel, [self._topology.log_queue], declares=self._topology.declares)
        return True

    async def _look(self) -> bool:
        if self._topology.log_queue is not None:
            try:
                await self._topology.log_queue.look(await opened(self._channel))
            except ChannelNotFoundEntity:
                return False
        return True
