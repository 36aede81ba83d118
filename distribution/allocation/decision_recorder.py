"""Records what a transaction decides: the steps over its pool, and each change's decision and event."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.event_shapes import OperatorReference
from distribution.ids import new_id
from distribution.selection import decision_record as records
from distribution.selection.pool import Pool
from distribution.store import decisions as decision_rows
from distribution.store import outbox
from distribution.store.contacts import ContactWithLead
from distribution.store.decisions import Decision
from distribution.store.outbox import Publication


@dataclass(slots=True)
class DecisionRecorder:
    """Changes the pool step by step, and keeps in memory what is to be written."""

    pool: Pool
    publications: list[Publication] = field(default_factory=list)
    changes: dict[UUID, events.Change] = field(default_factory=dict)
    """By contact: its last change in this transaction."""
    _record: records.DecisionRecord = field(init=False)
    _batch_id: UUID = field(default_factory=new_id)
    _decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._record = records.begin(self.pool)

    @property
    def has_steps(self) -> bool:
        """Whether the pool was changed."""
        return bool(self._record.steps)

    def apply(self, step: records.Step) -> int:
        """Record a step and apply it to the pool; returns its position."""
        self._record.steps.append(step)
        records.apply(self.pool, step)
        return len(self._record.steps) - 1

    def record(self, target: ContactWithLead, kind: str, reason: str | None, position: int | None) -> UUID:
        """Record the decision behind a contact's change, and its event; returns the event's id."""
        contact, _, previous = target
        contact.sequence += 1
        change = self._change(target, kind, reason)
        self.changes[contact.id] = change
        self.publications.append(outbox.publication_of(change, contact.traceparent))
        self._decisions.append(
            Decision(
                contact_id=contact.id,
                sequence=contact.sequence,
                event_id=change.id,
                type=kind,
                operator_id=contact.operator_id,
                previous_operator_id=previous["id"] if previous else None,
                reason=reason,
                batch_id=None if position is None else self._batch_id,
                position=position,
            )
        )
        return change.id

    async def flush(self, conn: AsyncConnection) -> None:
        """Write the decisions, and the record that explains them."""
        if self._record.steps:
            await decision_rows.insert_batch(conn, self._batch_id, self._record)
        await decision_rows.insert(conn, self._decisions)

    def name_of(self, operator_id: int | None) -> OperatorReference | None:
        """The operator as events name it."""
        return None if operator_id is None else {"id": operator_id, "name": self.pool.operators[operator_id].name}

    def _change(self, target: ContactWithLead, kind: str, reason: str | None) -> events.Change:
        contact, lead, previous = target
        return events.Change(
            id=new_id(),
            type=kind,
            contact_id=contact.id,
            status=contact.status,
            message_id=contact.message_id,
            lead=lead.shown(),
            source={"id": contact.source_id, "code": self.pool.sources[contact.source_id].code},
            operator=self.name_of(contact.operator_id),
            previous_operator=previous,
            payload=contact.payload,
            sequence=contact.sequence,
            reason=reason,
        )
