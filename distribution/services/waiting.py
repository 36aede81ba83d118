"""The line of waiting contacts: the oldest first, over several sources."""

import heapq
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.pool import Pool
from distribution.store.contacts import Waiting, oldest_waiting
from distribution.store.pools import sources_with_waiting

CHUNK = 200


class WaitingLine:
    """Hands out the waiting contacts of its sources by age, read in chunks."""

    def __init__(self, conn: AsyncConnection, source_ids: Iterable[int]) -> None:
        self._conn = conn
        self._chunks: dict[int, deque[Waiting]] = {source_id: deque() for source_id in source_ids}
        self._after: dict[int, UUID | None] = dict.fromkeys(self._chunks)
        self._heads: list[tuple[UUID, int]] = []
        self.left: set[int] = set(self._chunks)
        """Sources that still have waiting contacts, as far as is known."""

    @classmethod
    async def open(cls, conn: AsyncConnection, source_ids: list[int]) -> "WaitingLine":
        """The line of those of the sources that have waiting contacts."""
        line = cls(conn, await sources_with_waiting(conn, source_ids) if source_ids else ())
        for source_id in list(line.left):
            await line._step_up(source_id)
        return line

    async def oldest(self, pool: Pool) -> Waiting | None:
        """Take out the oldest contact that somebody in the pool could have now."""
        while self._heads:
            _, source_id = heapq.heappop(self._heads)
            if pool.eligible(source_id):
                waiting = self._chunks[source_id].popleft()
                self._after[source_id] = waiting.contact.id
                await self._step_up(source_id)
                return waiting
        return None

    async def _step_up(self, source_id: int) -> None:
        chunk = self._chunks[source_id]
        if not chunk:
            chunk.extend(await oldest_waiting(self._conn, source_id, self._after[source_id], CHUNK))
        if chunk:
            heapq.heappush(self._heads, (chunk[0].contact.id, source_id))
        else:
            self.left.discard(source_id)
