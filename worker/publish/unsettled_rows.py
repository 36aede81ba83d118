"""Outbox rows to be deleted, quarantined or released, until that is committed.

Plain state without I/O, shared by the lanes; times are of the monotonic clock.
"""

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

LOCKED_RETRY_SECONDS, LONG_LOCKED_SECONDS = 0.2, 2.0
"""When to retry locked rows, since other claims lock rows briefly; and when to report them."""
FOLLOWERS_SECONDS = 5.0


class Quarantine(NamedTuple):
    """For how long a row may not be claimed once it is settled, and when our lease ends."""

    pause: float
    until: float


@dataclass(slots=True, eq=False)
class Settlement:
    """What one transaction writes. Its taker commits or returns it: no rows are settled twice concurrently."""

    confirmed: dict[UUID, float]
    quarantined: dict[UUID, Quarantine]
    released: set[UUID]


@dataclass(slots=True)
class UnsettledRows:
    """Until rows are settled, their leases are renewed, so that no other worker publishes them; values are lease ends.

    `confirmed`: to be deleted, including those given up for good. `locked`: could not be deleted because another
    transaction has locked them.
    """

    confirmed: dict[UUID, float] = field(default_factory=dict)
    locked: dict[UUID, float] = field(default_factory=dict)
    quarantined: dict[UUID, Quarantine] = field(default_factory=dict)
    released: set[UUID] = field(default_factory=set)
    _lent: dict[UUID, float] | None = None
    _settling: list[Settlement] = field(default_factory=list)
    _locked_retry_at: float = float("-inf")
    _locked_since: float = float("inf")
    _followed_until: float = float("-inf")
    _was_deleted: bool = False

    def __contains__(self, publication_id: UUID) -> bool:
        released = [self.released, *(settlement.released for settlement in self._settling)]
        places: list[Container[UUID]] = [*self._to_delete(), *self._to_quarantine(), *released]
        return any(publication_id in place for place in places)

    @property
    def is_lent(self) -> bool:
        """Whether a batch is running: it deletes confirmed rows, or the next one does."""
        return self._lent is not None

    def leases(self) -> Iterator[tuple[UUID, float]]:
        """Each id that no other worker should publish, with the end of its lease."""
        for rows in self._to_delete():
            yield from rows.items()
        for quarantined in self._to_quarantine():
            yield from ((row_id, quarantine.until) for row_id, quarantine in quarantined.items())

    def renewed(self, ids: Iterable[UUID], until: float) -> None:
        """These leases were renewed until `until`."""
        for row_id in ids:
            for rows in self._to_delete():
                if row_id in rows:
                    rows[row_id] = until
            for quarantined in self._to_quarantine():
                if row_id in quarantined:
                    quarantined[row_id] = Quarantine(quarantined[row_id].pause, until)

    def expect_followers(self, now: float) -> None:
        """Events were written that wait for an earlier one: once a row is deleted, polling is worthwhile."""
        self._followed_until = now + FOLLOWERS_SECONDS

    def take_followers_due(self) -> bool:
        """Whether a row that others may have waited for was deleted since the last call."""
        was_deleted, self._was_deleted = self._was_deleted, False
        return was_deleted

    def lend(self) -> list[UUID]:
        """Lend the confirmed ids to the running batch; its transaction deletes them, which saves a commit."""
        self._lent, self.confirmed = self.confirmed, {}
        return list(self._lent)

    def take_back(self, left: Collection[UUID] | None, now: float) -> None:
        """The batch is over; rows in `left` are locked and were not deleted. None: nothing was deleted."""
        lent, self._lent = self._lent or {}, None
        if left is None:
            self.confirmed |= lent
        else:
            self._deleted(lent, left, now)

    def is_locked_due(self, now: float) -> bool:
        """Whether to retry deleting locked rows."""
        return bool(self.locked) and now >= self._locked_retry_at

    def take(self, now: float, *, delete: bool) -> Settlement | None:
        """What to settle now, None if nothing; `delete`: including confirmed rows, since no batch deletes them."""
        confirmed: dict[UUID, float] = {}
        if delete:
            confirmed, self.confirmed = self.confirmed, {}
        if self.is_locked_due(now):
            confirmed |= self.locked
            self.locked = {}
        settlement = Settlement(confirmed, self.quarantined, self.released)
        if not (confirmed or self.quarantined or self.released):
            return None
        self.quarantined, self.released = {}, set()
        self._settling.append(settlement)
        return settlement

    def settled(self, settlement: Settlement, left: Collection[UUID], now: float) -> None:
        """The settlement is committed; rows in `left` are locked and were not changed."""
        self._settling.remove(settlement)
        self._deleted(settlement.confirmed, settlement.confirmed.keys() & left, now)
        quarantined = {row_id: settlement.quarantined[row_id] for row_id in settlement.quarantined.keys() & left}
        self._put_back(Settlement({}, quarantined, settlement.released & set(left)))

    def not_settled(self, settlement: Settlement) -> None:
        """The settlement failed, or it is not known whether it was committed."""
        self._settling.remove(settlement)
        self._put_back(settlement)

    def long_locked(self, now: float) -> int:
        """How many rows could not be deleted for so long that it should be reported."""
        return len(self.locked) if now > self._locked_since + LONG_LOCKED_SECONDS else 0

    def _to_delete(self) -> list[dict[UUID, float]]:
        settling = [settlement.confirmed for settlement in self._settling]
        return [self.confirmed, self._lent or {}, self.locked, *settling]

    def _to_quarantine(self) -> list[dict[UUID, Quarantine]]:
        return [self.quarantined, *(settlement.quarantined for settlement in self._settling)]

    def _put_back(self, settlement: Settlement) -> None:
        """Rows that were confirmed meanwhile are not quarantined."""
        self.confirmed |= settlement.confirmed
        left = settlement.quarantined.keys() - self.confirmed.keys()
        self.quarantined |= {row_id: settlement.quarantined[row_id] for row_id in left}
        self.released |= settlement.released

    def _deleted(self, rows: dict[UUID, float], left: Collection[UUID], now: float) -> None:
        self.locked |= {row_id: rows[row_id] for row_id in left}
        if left:
            self._locked_retry_at, self._locked_since = now + LOCKED_RETRY_SECONDS, min(self._locked_since, now)
        elif rows and not self.locked:
            self._locked_since = float("inf")
        if rows and now < self._followed_until:
            self._was_deleted = True
