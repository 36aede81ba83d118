"""Outbox rows that are decided about, until the database knows: to be deleted, quarantined or released.

Plain state without I/O, shared by the lanes; moments are of the monotonic clock.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple
from uuid import UUID

LOCKED_RETRY_SECONDS, LONG_LOCKED_SECONDS = 0.2, 2.0
"""When to retry what was locked, since other claims lock rows for a moment; and when to report it."""
FOLLOWERS_SECONDS = 5.0


class Quarantine(NamedTuple):
    """How long a row may not be claimed once it is settled, and until when its lease is ours."""

    pause: float
    until: float


@dataclass(slots=True, eq=False)
class Settlement:
    """What one transaction writes. Its taker writes it or returns it: the same rows are never settled twice at once."""

    confirmed: dict[UUID, float]
    quarantined: dict[UUID, Quarantine]
    released: set[UUID]


@dataclass(slots=True)
class UnsettledRows:
    """Until they are settled their leases, each with its end, are ours and renewed: no other worker publishes them.

    `confirmed`: to be deleted, also what is given up for good. `locked`: could not be deleted because another
    transaction has them locked.
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
        settling = ((each.confirmed, each.quarantined, each.released) for each in self._settling)
        places = chain((self.confirmed, self._lent or (), self.locked, self.quarantined, self.released), *settling)
        return any(publication_id in place for place in places)

    @property
    def is_lent(self) -> bool:
        """Whether a batch is running: it deletes what is confirmed, or the next one does."""
        return self._lent is not None

    def leases(self) -> Iterator[tuple[UUID, float]]:
        """Each id that no other worker should publish, and until when its lease is ours."""
        for rows in (self.confirmed, self._lent or {}, self.locked):
            yield from rows.items()
        yield from ((row_id, quarantine.until) for row_id, quarantine in self.quarantined.items())
        for settling in self._settling:
            yield from settling.confirmed.items()
            yield from ((row_id, quarantine.until) for row_id, quarantine in settling.quarantined.items())

    def renewed(self, ids: Iterable[UUID], until: float) -> None:
        """Their leases are ours for longer."""
        deleted = [self.confirmed, self._lent or {}, self.locked, *(each.confirmed for each in self._settling)]
        quarantined = [self.quarantined, *(each.quarantined for each in self._settling)]
        for row_id in ids:
            for rows in deleted:
                if row_id in rows:
                    rows[row_id] = until
            for paused in quarantined:
                if row_id in paused:
                    paused[row_id] = Quarantine(paused[row_id].pause, until)

    def expect_followers(self, now: float) -> None:
        """Events were written that wait for an earlier one: once a row is deleted, polling is worthwhile."""
        self._followed_until = now + FOLLOWERS_SECONDS

    def take_followers_due(self) -> bool:
        """Whether a row was deleted that others may have waited for, since the last call."""
        was_deleted, self._was_deleted = self._was_deleted, False
        return was_deleted

    def lend(self) -> list[UUID]:
        """Lend the confirmed ids to the running batch; its transaction deletes them, which saves a commit."""
        self._lent, self.confirmed = self.confirmed, {}
        return list(self._lent)

    def take_back(self, left: Collection[UUID] | None, now: float) -> None:
        """The batch is over; `left` could not be deleted because they are locked. None: nothing was deleted."""
        lent, self._lent = self._lent or {}, None
        if left is None:
            self.confirmed |= lent
        else:
            self._deleted(lent, left, now)

    def is_locked_due(self, now: float) -> bool:
        """Whether to retry deleting what was locked."""
        return bool(self.locked) and now >= self._locked_retry_at

    def take(self, now: float, *, delete: bool) -> Settlement | None:
        """What to settle now; `delete`: also what is confirmed, as no batch does it. None if there is nothing."""
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
        """It is committed; `left` could not be changed because they are locked."""
        self._settling.remove(settlement)
        self._deleted(settlement.confirmed, settlement.confirmed.keys() & left, now)
        quarantined = {row_id: settlement.quarantined[row_id] for row_id in settlement.quarantined.keys() & left}
        self._put_back(Settlement({}, quarantined, settlement.released & set(left)))

    def not_settled(self, settlement: Settlement) -> None:
        """It could not be committed, or it is not known whether it was."""
        self._settling.remove(settlement)
        self._put_back(settlement)

    def long_locked(self, now: float) -> int:
        """How many rows could not be deleted for so long that it should be reported."""
        return len(self.locked) if now > self._locked_since + LONG_LOCKED_SECONDS else 0

    def _put_back(self, settlement: Settlement) -> None:
        """What was confirmed meanwhile is not quarantined any more."""
        self.confirmed |= settlement.confirmed
        left = {row_id: of for row_id, of in settlement.quarantined.items() if row_id not in self.confirmed}
        self.quarantined |= left
        self.released |= settlement.released

    def _deleted(self, rows: dict[UUID, float], left: Collection[UUID], now: float) -> None:
        self.locked |= {row_id: rows[row_id] for row_id in left}
        if left:
            self._locked_retry_at, self._locked_since = now + LOCKED_RETRY_SECONDS, min(self._locked_since, now)
        elif rows and not self.locked:
            self._locked_since = float("inf")
        if rows and now < self._followed_until:
            self._was_deleted = True
