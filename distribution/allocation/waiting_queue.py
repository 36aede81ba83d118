"""The line of waiting contacts: the oldest first, over several sources, without their payloads."""

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.pool import Pool
from distribution.store.contacts import last_operators
from distribution.store.waiting_contacts import LOWEST_ID, Size, sizes, upcoming

OF_ONE_SOURCE = 200
OF_ALL_SOURCES = 2_000
SIZED = 100
"""So many ids, or sizes, are read at once; only the first of each source where no more than one place is free."""


class NextWaiting(NamedTuple):
    """A waiting contact whose turn it is; `last_operator_id` only where its source is sticky."""

    contact_id: UUID
    source_id: int
    lead_id: int
    bytes: int
    last_operator_id: int | None


class WaitingQueue:
    """Hands out the waiting contacts of the sources that somebody in the pool can serve, by age.

    One that somebody edited, so that its sequence is not the end of its history, is passed over until it is repaired.
    While it is used, places are only taken: who cannot be served now cannot be served later either.
    """

    def __init__(self, conn: AsyncConnection, pool: Pool) -> None:
        self._conn, self._pool = conn, pool
        self._known: dict[int, deque[UUID]] = {s: deque() for s in pool.sources if pool.eligible(s)}
        self._unread = dict.fromkeys(self._known, LOWEST_ID)
        """By source that may have more than is known: the last one known."""
        self._run_out: set[int] = set()
        """Sources of which the next contact has to be read before it is clear whose turn it is."""
        self._heads: list[tuple[UUID, int]] = []
        self._sizes: dict[UUID, Size | None] = {}
        """None if a contact is passed over."""
        self._last_operators: dict[int, int] = {}

    @classmethod
    async def open(cls, conn: AsyncConnection, pool: Pool) -> "WaitingQueue":
        """The line, with the oldest of each source read."""
        line = cls(conn, pool)
        if line._known:
            await line._read(list(line._known), 1)
        return line

    async def oldest(self) -> NextWaiting | None:
        """Take out the oldest contact that somebody in the pool could have now."""
        await self._read_on()
        while self._heads:
            contact_id, source_id = heapq.heappop(self._heads)
            if self._pool.eligible(source_id):
                self._known[source_id].popleft()
                self._step_up(source_id)
                if (described := await self._described(contact_id, source_id)) is not None:
                    return described
                await self._read_on()
        return None

    async def left(self) -> set[int]:
        """Sources that still have waiting contacts; one that nobody can serve now may be among them without any."""
        await self._read_on()
        return {source_id for source_id, known in self._known.items() if known} | self._unread.keys()

    async def _read_on(self) -> None:
        """Where a source that can be served ran out, read on in it and in all that soon will."""
        if any(map(self._pool.eligible, self._run_out)):
            soon = [s for s in self._unread if len(self._known[s]) <= 1 and self._pool.eligible(s)]
            await self._read(soon, max(2, min(OF_ONE_SOURCE, OF_ALL_SOURCES // len(soon))))
        self._run_out.clear()

    async def _read(self, source_ids: Collection[int], each: int) -> None:
        empty = [source_id for source_id in source_ids if not self._known[source_id]]
        found = await upcoming(self._conn, {source_id: self._unread[source_id] for source_id in source_ids}, each)
        for source_id, contact_id in found:
            self._known[source_id].append(contact_id)
            self._unread[source_id] = contact_id
        number = Counter(source_id for source_id, _ in found)
        for source_id in source_ids:
            if number[source_id] < each:
                del self._unread[source_id]
        for source_id in empty:
            self._step_up(source_id)

    def _step_up(self, source_id: int) -> None:
        if known := self._known[source_id]:
            heapq.heappush(self._heads, (known[0], source_id))
        elif source_id in self._unread:
            self._run_out.add(source_id)

    async def _described(self, contact_id: UUID, source_id: int) -> NextWaiting | None:
        if contact_id not in self._sizes:
            await self._describe({contact_id: source_id} | dict(self._likely_next() if self._sizes else ()))
        size = self._sizes[contact_id]
        if size is None:
            return None
        return NextWaiting(contact_id, source_id, *size, self._last_operators.get(size.lead_id))

    def _likely_next(self) -> Iterator[tuple[UUID, int]]:
        """(contact id, source id) of the oldest that are known, over all sources."""
        every = chain.from_iterable(((id_, source_id) for id_ in known) for source_id, known in self._known.items())
        return iter(heapq.nsmallest(SIZED, every))

    async def _describe(self, source_of: dict[UUID, int]) -> None:
        found = await sizes(self._conn, source_of)
        self._sizes |= {id_: found.get(id_) for id_ in source_of}
        of_sticky = {size.lead_id for id_, size in found.items() if self._pool.sources[source_of[id_]].sticky}
        if of_sticky:
            self._last_operators |= await last_operators(self._conn, of_sticky)
