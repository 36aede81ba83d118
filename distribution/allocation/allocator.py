"""One transaction's decisions: made in memory over a locked pool, written together."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.allocation.decision_recorder import DecisionRecorder
from distribution.allocation.event_loop_yield import CooperativeYield
from distribution.allocation.waiting_queue import NextWaiting, WaitingQueue
from distribution.ids import new_id, time_of
from distribution.messages import AS_WRITTEN, Submission
from distribution.selection.decision_record import FreedStep, GivenStep, PickStep
from distribution.selection.pool import Pool
from distribution.selection.strategies import OLDER_FIRST, Pick, draw_from, pick
from distribution.store import contacts as contact_rows
from distribution.store import outbox
from distribution.store.contacts import ACTIVE, CLOSED, WAITING, Contact, ContactWithLead
from distribution.store.leads import Lead
from distribution.store.operator_pool import change_loads, write_deficits
from distribution.store.outbox import Claim, Publication

BY_HAND, FORCED = "manual", "forced"
SERVE_LIMIT = 500
"""The most waiting contacts that one transaction assigns."""
SERVE_BYTES = 8 * 2**20
"""Payload bytes of waiting contacts that one transaction reads, plus the last one; their events repeat them."""


@dataclass(slots=True)
class Allocator:
    """What one transaction decides. Under `claim` the caller itself publishes the first events of contacts."""

    conn: AsyncConnection
    pool: Pool
    random: Random
    claim: Claim | None = None
    last_given: dict[int, int] = field(default_factory=dict)
    """By lead id: the operator who got its last contact in this transaction, which is not in the database yet."""
    recorder: DecisionRecorder = field(init=False)
    """What is decided so far: the last change of each contact, and the events."""
    _backlogged: set[int] = field(default_factory=set)
    _new: list[Contact] = field(default_factory=list)
    _changed: dict[UUID, Contact] = field(default_factory=dict)
    _loads: Counter[int] = field(default_factory=Counter)
    _forced: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.recorder = DecisionRecorder(self.pool)

    def submit(self, submission: Submission, source_id: int, lead: Lead, last_operator_id: int | None) -> Contact:
        """Create a contact and give it to an operator, or let it wait."""
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
            producer=submission.producer,
            format=AS_WRITTEN,
        )
        self._new.append(contact)
        self._place(ContactWithLead(contact, lead, None), last_operator_id)
        return contact

    def close(self, target: ContactWithLead, reason: str | None) -> None:
        """Close a waiting or active contact; its place is free for `assign_waiting`."""
        contact, lead, _ = target
        if contact.status == ACTIVE:
            self._free_place(contact)
        contact.status = CLOSED
        event_id = self._record_change(ContactWithLead(contact, lead, None), events.CLOSED, reason, position=None)
        contact.closed_at = time_of(event_id)

    def move_away(self, target: ContactWithLead) -> None:
        """Take an active contact from its operator: to another one, or back to waiting with its age kept."""
        freed = self._without_operator(target)
        contact = target.contact
        contact.operator_id, contact.status, contact.assigned_at = None, WAITING, None
        self._place(freed, None)

    def give(self, target: ContactWithLead, operator_id: int, *, forced: bool) -> None:
        """Give a contact to an operator by hand; with `forced` over the limit."""
        if target.contact.status == ACTIVE:
            target = self._without_operator(target)
        position = self.recorder.apply(GivenStep(target.contact.source_id, operator_id))
        if forced:
            self._forced.add(operator_id)
        self._assign(target, operator_id, FORCED if forced else BY_HAND, position)

    async def assign_waiting(self, limit: int = SERVE_LIMIT) -> frozenset[int]:
        """Give waiting contacts, the oldest first over all sources, to eligible operators.

        At most `limit`, and SERVE_BYTES of payloads; returns the sources to serve in further transactions. Until
        all are served, a new contact of a source that still has waiting ones waits behind them.
        """
        queue, pauses = await WaitingQueue.open(self.conn, self.pool), CooperativeYield()
        chosen: dict[UUID, tuple[Pick, int]] = {}
        served = read = 0
        while served < limit and read < SERVE_BYTES and (oldest := await queue.oldest()) is not None:
            if oldest.contact_id in self._changed:
                continue  # closed or moved in this transaction, which is not in the database yet
            chosen[oldest.contact_id] = self._choose_for(oldest)
            served += 1
            read += oldest.bytes
            await pauses.after(len(self.pool.sources[oldest.source_id].weights))
        self._backlogged = await queue.left()
        full = await contact_rows.with_leads(self.conn, chosen) if chosen else {}
        for contact_id, (pick_, position) in chosen.items():
            self._apply_pick(full[contact_id], pick_, position)
        return frozenset(self.pool.sources) if served == limit or read >= SERVE_BYTES else frozenset()

    def _choose_for(self, waiting: NextWaiting) -> tuple[Pick, int]:
        """The pick for a waiting contact, and its position; the contact itself is read later, with others."""
        is_sticky = self.pool.sources[waiting.source_id].sticky
        last = self.last_given.get(waiting.lead_id, waiting.last_operator_id) if is_sticky else None
        chosen = pick(self.pool, waiting.source_id, draw_from(self.random), last)
        if chosen.operator_id is not None:
            self.last_given[waiting.lead_id] = chosen.operator_id
        return chosen, self.recorder.apply(PickStep(waiting.source_id, last, chosen))

    async def flush(self) -> list[Publication]:
        """Write everything decided; returns what to publish once the transaction is committed."""
        await change_loads(self.conn, self._loads, self._forced)
        await write_deficits(self.conn, self.pool.deficits if self.recorder.has_steps else {})
        await contact_rows.insert(self.conn, self._new)
        await contact_rows.update(self.conn, list(self._changed.values()))
        await self.recorder.flush(self.conn)
        publications = self.recorder.publications
        await outbox.insert(self.conn, publications, self.claim)
        return publications

    def _free_place(self, contact: Contact) -> None:
        if contact.operator_id is not None:
            self.recorder.apply(FreedStep(contact.operator_id))
            self._loads[contact.operator_id] -= 1

    def _without_operator(self, target: ContactWithLead) -> ContactWithLead:
        """Free the place of an active contact; returns it with the operator who had it as the previous one."""
        previous = self.recorder.name_of(target.contact.operator_id)
        self._free_place(target.contact)
        return ContactWithLead(target.contact, target.lead, previous)

    def _place(self, target: ContactWithLead, last_operator_id: int | None) -> None:
        source_id = target.contact.source_id
        if source_id in self._backlogged and self.pool.eligible(source_id):
            chosen = Pick(None, OLDER_FIRST)
        else:
            chosen = pick(self.pool, source_id, draw_from(self.random), last_operator_id)
        position = self.recorder.apply(PickStep(source_id, last_operator_id, chosen))
        self._apply_pick(target, chosen, position)

    def _apply_pick(self, target: ContactWithLead, chosen: Pick, position: int) -> None:
        if chosen.operator_id is None:
            self._record_change(target, events.WAITING, chosen.reason, position)
        else:
            self._assign(target, chosen.operator_id, chosen.reason, position)

    def _assign(self, target: ContactWithLead, operator_id: int, reason: str, position: int) -> None:
        contact = target.contact
        self._loads[operator_id] += 1
        self.last_given[contact.lead_id] = operator_id
        contact.operator_id, contact.status = operator_id, ACTIVE
        kind = events.ASSIGNED if target.previous is None else events.REASSIGNED
        contact.assigned_at = time_of(self._record_change(target, kind, reason, position))

    def _record_change(self, target: ContactWithLead, kind: str, reason: str | None, position: int | None) -> UUID:
        if target.contact.sequence:
            self._changed[target.contact.id] = target.contact
        return self.recorder.record(target, kind, reason, position)
