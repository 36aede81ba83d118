"""One transaction's decisions: decided in memory over a locked pool, written at once."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.allocation.waiting_queue import NextWaiting, WaitingQueue
from distribution.allocation.yielding import CooperativeYield
from distribution.event_shapes import OperatorReference
from distribution.ids import new_id, time_of
from distribution.messages import AS_WRITTEN, Submission
from distribution.selection import decision_log as records
from distribution.selection.decision_log import FreedStep, GivenStep, PickStep
from distribution.selection.pool import Pool
from distribution.selection.strategies import OLDER_FIRST, Pick, draw_from, pick
from distribution.store import contacts as contact_rows
from distribution.store import decisions as decision_rows
from distribution.store import outbox
from distribution.store.contacts import ACTIVE, CLOSED, WAITING, Contact, OperatorName
from distribution.store.decisions import Decision
from distribution.store.leads import Lead
from distribution.store.outbox import Claim, Publication
from distribution.store.pools import change_loads, write_deficits

BY_HAND, FORCED = "manual", "forced"
SERVE_LIMIT = 500
"""Waiting contacts that one transaction assigns at most."""
SERVE_BYTES = 8 * 2**20
"""Payloads of waiting contacts that one transaction reads, give or take the last one; their events hold them again."""


@dataclass(slots=True)
class UnitOfWork:
    """What one transaction decides. `claim` makes the first events of contacts the caller's own to publish."""

    conn: AsyncConnection
    pool: Pool
    random: Random
    claim: Claim | None = None
    publications: list[Publication] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)
    """By lead: who got its last contact in this transaction, which the database does not know yet."""
    told: dict[UUID, events.Change] = field(default_factory=dict)
    """By contact: its last change in this transaction."""
    _record: records.Record = field(init=False)
    _batch_id: UUID = field(default_factory=new_id)
    _backlogged: set[int] = field(default_factory=set)
    _new: list[Contact] = field(default_factory=list)
    _changed: dict[UUID, Contact] = field(default_factory=dict)
    _decisions: list[Decision] = field(default_factory=list)
    _loads: Counter[int] = field(default_factory=Counter)
    _forced: set[int] = field(default_factory=set)

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
            producer=submission.producer,
            format=AS_WRITTEN,
        )
        self._new.append(contact)
        self._place(contact, lead, last_operator_id, previous=None)
        return contact

    def close(self, contact: Contact, lead: Lead, reason: str | None) -> None:
        """Close a waiting or active contact; its place is free for `assign_waiting`."""
        if contact.status == ACTIVE:
            self._free(contact)
        contact.status = CLOSED
        contact.closed_at = time_of(self._tell(contact, lead, events.CLOSED, reason, position=None))

    def move_away(self, contact: Contact, lead: Lead, last_operator_id: int | None) -> None:
        """Take an active contact from its operator: to another one, or back to waiting with its age kept."""
        previous = self._named(contact.operator_id)
        self._free(contact)
        contact.operator_id, contact.status, contact.assigned_at = None, WAITING, None
        self._place(contact, lead, last_operator_id, previous)

    def give(
        self, contact: Contact, lead: Lead, operator_id: int, previous: OperatorName | None, *, forced: bool
    ) -> None:
        """Give a contact to an operator by hand; with `forced` over the limit."""
        if contact.status == ACTIVE:
            previous = self._named(contact.operator_id)
            self._free(contact)
        position = self._step(GivenStep(contact.source_id, operator_id))
        if forced:
            self._forced.add(operator_id)
        self._assign(contact, lead, operator_id, FORCED if forced else BY_HAND, position, previous)

    async def assign_waiting(self, limit: int = SERVE_LIMIT) -> frozenset[int]:
        """Give waiting contacts, the oldest first over all sources, to whoever is eligible.

        At most `limit`, and SERVE_BYTES of payloads; returns the sources to serve in further transactions. Until
        all are served, a new contact of a source that still has waiting ones waits behind them.
        """
        line, pauses = await WaitingQueue.open(self.conn, self.pool), CooperativeYield()
        chosen: dict[UUID, tuple[Pick, int]] = {}
        served = read = 0
        while served < limit and read < SERVE_BYTES and (oldest := await line.oldest()) is not None:
            if oldest.contact_id in self._changed:
                continue  # closed or given away in this transaction, which the database does not know yet
            chosen[oldest.contact_id] = self._choose_for(oldest)
            served += 1
            read += oldest.bytes
            await pauses.after(len(self.pool.sources[oldest.source_id].weights))
        self._backlogged = await line.left()
        full = await contact_rows.with_leads(self.conn, chosen) if chosen else {}
        for contact_id, (pick_, position) in chosen.items():
            contact, lead, previous = full[contact_id]
            self._carry_out(contact, lead, pick_, position, previous)
        return frozenset(self.pool.sources) if served == limit or read >= SERVE_BYTES else frozenset()

    def _choose_for(self, waiting: NextWaiting) -> tuple[Pick, int]:
        """The pick for a waiting contact, and its position; the contact itself is read later, with others."""
        last = self.given.get(waiting.lead_id, waiting.last_operator_id) if self._sticky(waiting.source_id) else None
        chosen = pick(self.pool, waiting.source_id, draw_from(self.random), last)
        if chosen.operator_id is not None:
            self.given[waiting.lead_id] = chosen.operator_id
        return chosen, self._step(PickStep(waiting.source_id, last, chosen))

    async def flush(self) -> list[Publication]:
        """Write everything decided; returns what is to be published once the transaction is committed."""
        await change_loads(self.conn, self._loads, self._forced)
        await write_deficits(self.conn, self.pool.deficits if self._record.steps else {})
        await contact_rows.insert(self.conn, self._new)
        await contact_rows.update(self.conn, list(self._changed.values()))
        if self._record.steps:
            await decision_rows.insert_batch(self.conn, self._batch_id, self._record)
        await decision_rows.insert(self.conn, self._decisions)
        await outbox.insert(self.conn, self.publications, self.claim)
        return self.publications

    def _sticky(self, source_id: int) -> bool:
        return self.pool.sources[source_id].sticky

    def _step(self, step: records.Step) -> int:
        """Keep a step and take it; returns its position."""
        self._record.steps.append(step)
        records.apply(self.pool, step)
        return len(self._record.steps) - 1

    def _free(self, contact: Contact) -> None:
        if contact.operator_id is not None:
            self._step(FreedStep(contact.operator_id))
            self._loads[contact.operator_id] -= 1

    def _place(self, contact: Contact, lead: Lead, last_operator_id: int | None, previous: OperatorName | None) -> None:
        if contact.source_id in self._backlogged and self.pool.eligible(contact.source_id):
            chosen = Pick(None, OLDER_FIRST)
        else:
            chosen = pick(self.pool, contact.source_id, draw_from(self.random), last_operator_id)
        position = self._step(PickStep(contact.source_id, last_operator_id, chosen))
        self._carry_out(contact, lead, chosen, position, previous)

    def _carry_out(
        self, contact: Contact, lead: Lead, chosen: Pick, position: int, previous: OperatorName | None
    ) -> None:
        if chosen.operator_id is None:
            self._tell(contact, lead, events.WAITING, chosen.reason, position, previous)
        else:
            self._assign(contact, lead, chosen.operator_id, chosen.reason, position, previous)

    def _assign(
        self,
        contact: Contact,
        lead: Lead,
        operator_id: int,
        reason: str,
        position: int,
        previous: OperatorName | None,
    ) -> None:
        self._loads[operator_id] += 1
        self.given[contact.lead_id] = operator_id
        contact.operator_id, contact.status = operator_id, ACTIVE
        kind = events.ASSIGNED if previous is None else events.REASSIGNED
        contact.assigned_at = time_of(self._tell(contact, lead, kind, reason, position, previous))

    def _tell(
        self,
        contact: Contact,
        lead: Lead,
        kind: str,
        reason: str | None,
        position: int | None,
        previous: OperatorName | None = None,
    ) -> UUID:
        """Keep the decision and its event; returns the event's id."""
        if contact.sequence:
            self._changed[contact.id] = contact
        contact.sequence += 1
        change = self._change(contact, lead, kind, reason, previous)
        self.told[contact.id] = change
        self.publications.append(outbox.publication_of(change, contact.traceparent))
        self._decisions.append(
            Decision(
                contact_id=contact.id,
                sequence=contact.sequence,
                event_id=change.id,
                type=kind,
                operator_id=contact.operator_id,
                previous_operator_id=previous.id if previous else None,
                reason=reason,
                batch_id=None if position is None else self._batch_id,
                position=position,
            )
        )
        return change.id

    def _change(
        self, contact: Contact, lead: Lead, kind: str, reason: str | None, previous: OperatorName | None
    ) -> events.Change:
        return events.Change(
            id=new_id(),
            type=kind,
            contact_id=contact.id,
            status=contact.status,
            message_id=contact.message_id,
            lead=lead.shown(),
            source={"id": contact.source_id, "code": self.pool.sources[contact.source_id].code},
            operator=_shown(self._named(contact.operator_id)),
            previous_operator=_shown(previous),
            payload=contact.payload,
            sequence=contact.sequence,
            reason=reason,
        )

    def _named(self, operator_id: int | None) -> OperatorName | None:
        return None if operator_id is None else OperatorName(operator_id, self.pool.operators[operator_id].name)


def _shown(operator: OperatorName | None) -> OperatorReference | None:
    return None if operator is None else {"id": operator.id, "name": operator.name}
