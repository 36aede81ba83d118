"""The event stream, which a starting broker recovers last: until then it answers no request about it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from aio_pika.exceptions import ChannelNotFoundEntity

from worker.broker.connection import Connection, not_cancelled, opened
from worker.broker.topology import Topology, declare_each

PATIENCE_SECONDS = 2.0

T = TypeVar("T")


class PendingRequest(Generic[T]):
    """One slow request at a time: a call while one is pending waits for the same response."""

    def __init__(self) -> None:
        self._open: asyncio.Task[T] | None = None

    async def within(self, seconds: float, request: Coroutine[Any, Any, T]) -> T | None:
        """The response; None if there is none yet. Raises what the request raises, possibly in a later call."""
        if self._open is None:
            self._open = asyncio.create_task(not_cancelled(request))
        else:
            request.close()
        await asyncio.wait({self._open}, timeout=seconds)
        return self.answer()

    def answer(self) -> T | None:
        """The response, once; None if there is none yet, or there is no request."""
        if self._open is None or not self._open.done():
            return None
        task, self._open = self._open, None
        return task.result()

    async def close(self) -> None:
        """Cancel the pending request."""
        if self._open is not None:
            self._open.cancel()
            await asyncio.gather(self._open, return_exceptions=True)
            self._open = None


class EventLog:
    """`assignments.log` over one connection: no caller waits for it for longer than `seconds`.

    Its requests have a channel of their own, since a channel processes requests one after the other.
    """

    def __init__(self, topology: Topology, connection: Connection, seconds: float = PATIENCE_SECONDS) -> None:
        self._topology, self._seconds = topology, seconds
        self._declaring, self._looking = PendingRequest[bool](), PendingRequest[bool]()
        self._channel = connection.channel(publisher_confirms=False)

    @property
    def name(self) -> str:
        """Its name in reports of missing objects."""
        return f"queue {self._topology.log}"

    async def declare(self) -> bool:
        """Declare it, or check that it exists; returns False if that still goes on. Raises as `declare_each`."""
        return bool(await self._declaring.within(self._seconds, self._declare()))

    async def is_there(self) -> bool | None:
        """Whether the broker has it; None if the broker has not responded yet."""
        return await self._looking.within(self._seconds, self._look())

    def check(self) -> None:
        """Raise the error of a declaration that went on in the background."""
        self._declaring.answer()

    async def close(self) -> None:
        """Cancel pending requests; the channel ends with the connection."""
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
