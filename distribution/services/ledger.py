"""One transaction's decisions: decided in memory over a locked pool, written at once."""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.ids import new_id, time_of
from distribution.messages import Submission
from distribution.selection import record as records
from distribution.selection.pool import Pool
from distribution.selection.record import PickStep
from distribution.selection.strategies import OLDER_FIRST, Pick, draw_from, pick
from distribution.store import contacts as contact_rows
from distribution.store import decisions as decision_rows
from distribution.store import outbox
from distribution.store.contacts import ACTIVE, WAITING, Contact
from distribution.store.decisions import Decision
from distribution.store.leads import Lead
from distribution.store.outbox import Claim, Publication
from distribution.store.pools import change_loads, sources_with_waiting

WAITING_CHUNK = 200


@dataclass(slots=True)
class Ledger:
    """What one transaction decides. `claim` makes the first events of contacts the caller's own to publish."""

    conn: AsyncConnection
    pool: Pool
    random: Random
    claim: Claim | None = None
    publications: list[Publication] = field(default_factory=list)
    _record: records.Record = field(init=False)
    _batch_id: UUID = field(default_factory=new_id)
    _backlogged: set[int] = field(default_factory=set)
    _new: list[Contact] = field(default_factory=list)
    _changed: dict[UUID, Contact] = field(default_factory=dict)
    _decisions: list[Decision] = field(default_factory=list)
    _loads: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._record = records.begin(self.pool)

    def submit(self, submission: Submission, source_id: int, lead: Lead, last_operator_id: int | None) -> Contact:
        """Make a contact and give it to an operator, or let it wait."""
        contact_id = new_id()
        contact = Contact(
            id=contact_id,
            source_id=source_id,
            message_id=submission.message_id,
            digest=submission.digest,
            lead_id=lead.id,
            operator_id=None,
            status=WAITING,
            payload=submission.payload,
            traceparent=submission.traceparent,
            sequence=0,
            created_at=time_of(contact_id),
        )
        self._new.append(contact)
        behind = source_id in self._backlogged and bool(self.pool.eligible(source_id))
        chosen = Pick(None, OLDER_FIRST) if behind else self._pick(contact, last_operator_id)
        self._settle(contact, lead, chosen, last_operator_id)
        return contact

    async def serve_waiting(self, limit: int) -> int:
        """Give waiting contacts, the oldest first over all sources, to whoever is eligible; answers how many it gave.

        At most `limit`: a caller that gets as many calls again in another transaction. Until all are served, a new
        contact of a source that still has waiting ones waits behind them.
        """
        open_sources = [source_id for source_id in self.pool.sources if self.pool.eligible(source_id)]
        if not open_sources:
            return 0
        queues = {s: _WaitingQueue(self.conn, s) for s in await sources_with_waiting(self.conn, open_sources)}
        self._backlogged = set(queues)
        heap = [(head.id, s) for s, queue in queues.items() if (head := await queue.head()) is not None]
        heapq.heapify(heap)
        served = 0
        while heap and served < limit:
            _, source_id = heapq.heappop(heap)
            if not self.pool.eligible(source_id):
                continue
            queue = queues[source_id]
            contact, lead = queue.pop()
            last_operator_id = await self._last_operator(contact)
            self._settle(contact, lead, self._pick(contact, last_operator_id), last_operator_id)
            served += 1
            if (head := await queue.head()) is not None:
                heapq.heappush(heap, (head.id, source_id))
            else:
                self._backlogged.discard(source_id)
        return served

    async def flush(self) -> list[Publication]:
        """Write everything decided; answers what is to be published once the transaction is committed."""
        await change_loads(self.conn, self._loads)
        await contact_rows.insert(self.conn, self._new)
        await contact_rows.update(self.conn, list(self._changed.values()))
        if self._record.steps:
            await decision_rows.insert_batch(self.conn, self._batch_id, self._record)
        await decision_rows.insert(self.conn, self._decisions)
        await outbox.insert(self.conn, self.publications, self.claim)
        return self.publications

    async def _last_operator(self, contact: Contact) -> int | None:
        if not self.pool.sources[contact.source_id].sticky:
            return None
        return (await contact_rows.last_operators(self.conn, [contact.lead_id])).get(contact.lead_id)

    def _pick(self, contact: Contact, last_operator_id: int | None) -> Pick:
        return pick(self.pool, contact.source_id, draw_from(self.random), last_operator_id)

    def _settle(self, contact: Contact, lead: Lead, chosen: Pick, last_operator_id: int | None) -> None:
        step = PickStep(contact.source_id, last_operator_id, chosen)
        position = len(self._record.steps)
        self._record.steps.append(step)
        if chosen.operator_id is None:
            self._tell(contact, lead, events.WAITING, chosen.reason, position)
            return
        records.apply(self.pool, step)
        self._loads[chosen.operator_id] += 1
        self._give(contact, lead, chosen, position)

    def _give(self, contact: Contact, lead: Lead, chosen: Pick, position: int) -> None:
        previous = contact.operator_id
        contact.operator_id, contact.status = chosen.operator_id, ACTIVE
        kind = events.ASSIGNED if previous is None else events.REASSIGNED
        contact.assigned_at = time_of(self._tell(contact, lead, kind, chosen.reason, position, previous))

    def _tell(
        self,
        contact: Contact,
        lead: Lead,
        kind: str,
        reason: str | None,
        position: int | None,
        previous_operator_id: int | None = None,
    ) -> UUID:
        """Keep the decision and its event; returns the event's id."""
        if contact.sequence:
            self._changed[contact.id] = contact
        contact.sequence += 1
        change = events.Change(
            id=new_id(),
            type=kind,
            contact_id=contact.id,
            status=contact.status,
            message_id=contact.message_id,
            lead=lead.shown(),
            source={"id": contact.source_id, "code": self.pool.sources[contact.source_id].code},
            operator=self._operator(contact.operator_id),
            previous_operator=self._operator(previous_operator_id),
            payload=contact.payload,
            sequence=contact.sequence,
            reason=reason,
        )
        self.publications.append(outbox.publication_of(change, contact.traceparent))
        self._decisions.append(
            Decision(
                contact_id=contact.id,
                sequence=contact.sequence,
                event_id=change.id,
                type=kind,
                operator_id=contact.operator_id,
                previous_operator_id=previous_operator_id,
                reason=reason,
                batch_id=None if position is None else self._batch_id,
                position=position,
            )
        )
        return change.id

    def _operator(self, operator_id: int | None) -> dict[str, Any] | None:
        return None if operator_id is None else {"id": operator_id, "name": self.pool.operators[operator_id].name}


class _WaitingQueue:
    """The waiting contacts of one source, oldest first, read in chunks."""

    def __init__(self, conn: AsyncConnection, source_id: int) -> None:
        self._conn, self._source_id = conn, source_id
        self._chunk: deque[tuple[Contact, Lead]] = deque()
        self._after: UUID | None = None

    async def head(self) -> Contact | None:
        if not self._chunk:
            self._chunk.extend(
                await contact_rows.oldest_waiting(self._conn, self._source_id, self._after, WAITING_CHUNK)
            )
        return self._chunk[0][0] if self._chunk else None

    def pop(self) -> tuple[Contact, Lead]:
        contact, lead = self._chunk.popleft()
        self._after = contact.id
        return contact, lead
