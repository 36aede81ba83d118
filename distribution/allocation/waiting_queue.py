"""The queue of waiting contacts: the oldest first, over several sources, without their payloads."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import LOWEST_ID
from distribution.selection.pool import Pool
from distribution.store.contacts import last_operators
from distribution.store.waiting_contacts import Size, sizes, upcoming

OF_ONE_SOURCE = 200
OF_ALL_SOURCES = 2_000
SIZED = 100
"""The most ids (of one source, of all sources) and sizes read at once.

The first read takes only one id of each source, and one size: often only one place is free.
"""


class NextWaiting(NamedTuple):
    """The next waiting contact to serve; `last_operator_id` only if its source is sticky."""

    contact_id: UUID
    source_id: int
    lead_id: int
    bytes: int
    last_operator_id: int | None


class WaitingQueue:
    """Returns the waiting contacts of the sources that have an eligible operator in the pool, by age.

    A contact edited in the database, so that its sequence does not match its history, is skipped until it is repaired.
    While the queue is in use, places are only taken: a source that cannot be served now cannot be served later either.
    """

    def __init__(self, conn: AsyncConnection, pool: Pool) -> None:
        self._conn, self._pool = conn, pool
        self._known: dict[int, deque[UUID]] = {s: deque() for s in pool.sources if pool.eligible(s)}
        self._unread = dict.fromkeys(self._known, LOWEST_ID)
        """By source that may have more contacts than are read: the last id read."""
        self._run_out: set[int] = set()
        """Sources whose next id has to be read before the oldest contact is known."""
        self._heads: list[tuple[UUID, int]] = []
        self._sizes: dict[UUID, Size | None] = {}
        """None if a contact is skipped."""
        self._last_operators: dict[int, int] = {}

    @classmethod
    async def open(cls, conn: AsyncConnection, pool: Pool) -> "WaitingQueue":
        """The queue, with the oldest contact of each source read."""
        queue = cls(conn, pool)
        if queue._known:
            await queue._read_ids(list(queue._known), 1)
        return queue

    async def oldest(self) -> NextWaiting | None:
        """Remove and return the oldest contact that has an eligible operator now; None if there is none."""
        await self._read_more()
        while self._heads:
            contact_id, source_id = heapq.heappop(self._heads)
            if self._pool.eligible(source_id):
                self._known[source_id].popleft()
                self._push_head(source_id)
                if (waiting := await self._with_details(contact_id, source_id)) is not None:
                    return waiting
                await self._read_more()
        return None

    async def left(self) -> set[int]:
        """Sources that still have waiting contacts; may include one without any if it has no eligible operator now."""
        await self._read_more()
        return {source_id for source_id, known in self._known.items() if known} | self._unread.keys()

    async def _read_more(self) -> None:
        """If a source that can be served ran out, read more of it and of all that soon will."""
        if any(map(self._pool.eligible, self._run_out)):
            low = [s for s in self._unread if len(self._known[s]) <= 1 and self._pool.eligible(s)]
            await self._read_ids(low, max(2, min(OF_ONE_SOURCE, OF_ALL_SOURCES // len(low))))
        self._run_out.clear()

    async def _read_ids(self, source_ids: Collection[int], limit: int) -> None:
        empty = [source_id for source_id in source_ids if not self._known[source_id]]
        rows = await upcoming(self._conn, {source_id: self._unread[source_id] for source_id in source_ids}, limit)
        for source_id, contact_id in rows:
            self._known[source_id].append(contact_id)
            self._unread[source_id] = contact_id
        counts = Counter(source_id for source_id, _ in rows)
        for source_id in source_ids:
            if counts[source_id] < limit:
                del self._unread[source_id]
        for source_id in empty:
            self._push_head(source_id)

    def _push_head(self, source_id: int) -> None:
        if known := self._known[source_id]:
            heapq.heappush(self._heads, (known[0], source_id))
        elif source_id in self._unread:
            self._run_out.add(source_id)

    async def _with_details(self, contact_id: UUID, source_id: int) -> NextWaiting | None:
        if contact_id not in self._sizes:
            await self._read_details({contact_id: source_id} | dict(self._likely_next() if self._sizes else ()))
        size = self._sizes[contact_id]
        if size is None:
            return None
        return NextWaiting(contact_id, source_id, *size, self._last_operators.get(size.lead_id))

    def _likely_next(self) -> Iterator[tuple[UUID, int]]:
        """(contact id, source id) of the oldest contacts read, over all sources."""
        pairs = chain.from_iterable(((id_, source_id) for id_ in known) for source_id, known in self._known.items())
        return iter(heapq.nsmallest(SIZED, pairs))

    async def _read_details(self, source_of: dict[UUID, int]) -> None:
        size_of = await sizes(self._conn, source_of)
        self._sizes |= {id_: size_of.get(id_) for id_ in source_of}
        of_sticky = {size.lead_id for id_, size in size_of.items() if self._pool.sources[source_of[id_]].sticky}
        if of_sticky:
            self._last_operators |= await last_operators(self._conn, of_sticky)
