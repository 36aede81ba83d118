"""The outbox as the relay's lanes see it, in memory: rows, leases by one clock, and a database that can fail."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from distribution.store.outbox import Kind, Publication
from tests.publications import publication
from worker.publish.lane_state_machine import ClaimRequest
from worker.publish.unsettled_rows import Settlement

LEASE_SECONDS, RECENT_SECONDS = 15.0, 2.0


@dataclass
class Row:
    """A row of the outbox."""

    publication: Publication
    written_at: float
    is_ours: bool = False
    until: float = float("-inf")


@dataclass
class OutboxModel:
    """`locked`: rows that another transaction has locked.

    `works`: whether anything succeeds; `updates`: whether renewing and settling do.
    """

    rows: dict[UUID, Row] = field(default_factory=dict)
    locked: set[UUID] = field(default_factory=set)
    sequences: Counter[UUID] = field(default_factory=Counter)
    works: bool = True
    updates: bool = True

    def insert(self, contact_id: UUID, size: int, now: float, *, ours: bool) -> Publication:
        """Write the next event of a contact, with a lease of ours or free."""
        self.sequences[contact_id] += 1
        event = publication(size=size, contact_id=contact_id, sequence=self.sequences[contact_id])
        self.rows[event.id] = Row(event, now, ours, now + LEASE_SECONDS if ours else float("-inf"))
        return event

    def claim(self, kind: Kind, request: ClaimRequest, now: float) -> list[Publication]:
        """As `outbox_leases.claim` does."""
        since = now - RECENT_SECONDS if request.recent else float("-inf")
        free = [row for row in self.rows.values() if row.written_at >= since and self._is_free(row, kind, now)]
        chosen: list[Row] = []
        for row in free[: request.limit]:
            if sum(len(one.publication.body) for one in chosen) < request.max_bytes:
                chosen.append(row)
        for row in chosen:
            row.is_ours, row.until = True, now + LEASE_SECONDS
        return [row.publication for row in chosen]

    def take_by_others(self, now: float) -> set[UUID]:
        """Another worker publishes and deletes what is free; returns what it was."""
        free = {
            row_id
            for row_id, row in self.rows.items()
            if self._is_free(row, Kind.EVENT, now) or self._is_free(row, Kind.RETRY, now)
        }
        self.delete(free)
        return free

    def renew(self, ids: Iterable[UUID], now: float) -> set[UUID]:
        """As `outbox_leases.renew` does."""
        ours = {one for one in ids if one in self.rows and self.rows[one].is_ours}
        renewed = ours - self.locked if self.updates else set()
        for row_id in renewed:
            self.rows[row_id].until = now + LEASE_SECONDS
        return renewed

    def settle(self, settlement: Settlement, now: float) -> set[UUID]:
        """As `LeasedRows.settle` does; returns what is locked."""
        left = self.delete(settlement.confirmed)
        changed = {row_id: now + quarantine.pause for row_id, quarantine in settlement.quarantined.items()}
        changed |= dict.fromkeys(settlement.released, float("-inf"))
        for row_id, until in changed.items():
            if row_id in self.locked:
                left.add(row_id)
            elif row_id in self.rows:
                self._let_go(self.rows[row_id], until, retry=row_id in settlement.quarantined)
        return left

    def delete(self, ids: Collection[UUID]) -> set[UUID]:
        """Delete rows; returns what is locked."""
        left = {row_id for row_id in ids if row_id in self.locked and row_id in self.rows}
        for row_id in set(ids) - left:
            self.rows.pop(row_id, None)
        return left

    def _let_go(self, row: Row, until: float, *, retry: bool) -> None:
        row.is_ours, row.until = False, until
        row.publication = replace(row.publication, attempts=row.publication.attempts + retry)

    def _is_free(self, row: Row, kind: Kind, now: float) -> bool:
        event = row.publication
        is_first = not any(
            other.publication.contact_id == event.contact_id and other.publication.sequence < event.sequence
            for other in self.rows.values()
        )
        is_of_kind = (event.attempts > 0) == (kind is Kind.RETRY)
        return is_of_kind and is_first and row.until < now and event.id not in self.locked


class Connection:
    """A lane's connection: what was sent over each of its channels and has no result yet."""

    def __init__(self) -> None:
        self.channel = 1
        self.sent: dict[int, dict[UUID, Publication]] = {1: {}}

    def unanswered(self) -> list[Publication]:
        """Everything that may still get a result."""
        return list({one.id: one for sent in self.sent.values() for one in sent.values()}.values())

    def change_channel(self) -> None:
        """As the publisher does: the previous channel stays, older ones are closed."""
        self.channel += 1
        self.sent = {number: of for number, of in self.sent.items() if number == self.channel - 1}
        self.sent[self.channel] = {}
