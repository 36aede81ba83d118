"""Rows that are decided about stay ours until the database knows: without a database."""

from uuid import UUID

import pytest

from distribution.ids import new_id
from worker.publish.unsettled_rows import (
    FOLLOWERS_SECONDS,
    LOCKED_RETRY_SECONDS,
    LONG_LOCKED_SECONDS,
    Quarantine,
    Settlement,
    UnsettledRows,
)

LEASE = 1_000.0


def unsettled_rows() -> tuple[UnsettledRows, UUID, UUID, UUID]:
    """One row to be deleted, one to be quarantined, one to be released."""
    confirmed, refused, unwanted = new_id(), new_id(), new_id()
    rows = UnsettledRows({confirmed: LEASE}, {}, {refused: Quarantine(1.0, LEASE)}, {unwanted})
    return rows, confirmed, refused, unwanted


def taken(rows: UnsettledRows, now: float = 0.0, *, delete: bool = True) -> Settlement:
    """What is to be settled; there is something."""
    settlement = rows.take(now, delete=delete)
    assert settlement is not None
    return settlement


def test_no_two_settle_the_same_rows() -> None:
    """What one has taken the other does not get."""
    rows, confirmed, refused, unwanted = unsettled_rows()
    settlement = taken(rows)
    assert rows.take(0.0, delete=True) is None
    rows.settled(settlement, [], 0.0)
    assert rows.take(0.0, delete=True) is None
    assert not any(row_id in rows for row_id in (confirmed, refused, unwanted))


def test_what_is_being_settled_stays_ours() -> None:
    """However long the transaction takes, nothing is published again meanwhile, and its lease is renewed."""
    rows, confirmed, refused, unwanted = unsettled_rows()
    settlement = taken(rows)
    assert all(row_id in rows for row_id in (confirmed, refused, unwanted))
    rows.renewed([confirmed, refused], 2 * LEASE)
    assert dict(rows.leases()) == {confirmed: 2 * LEASE, refused: 2 * LEASE}
    rows.not_settled(settlement)
    assert rows.confirmed == {confirmed: 2 * LEASE}


def test_what_could_not_be_settled_is_settled_later() -> None:
    """What was confirmed meanwhile is deleted, and not quarantined."""
    rows, confirmed, refused, unwanted = unsettled_rows()
    settlement = taken(rows)
    rows.confirmed[refused] = LEASE
    rows.not_settled(settlement)
    assert set(rows.confirmed) == {confirmed, refused}
    assert rows.quarantined == {}
    assert rows.released == {unwanted}


def test_what_is_locked_is_deleted_later_by_itself() -> None:
    """It stays ours, its lease is renewed, and no batch waits for its lock."""
    rows, confirmed, _, _ = unsettled_rows()
    rows.settled(taken(rows), [confirmed], 0.0)
    assert confirmed in rows
    assert rows.lend() == []
    rows.take_back([], 0.0)
    rows.renewed([confirmed], 2 * LEASE)
    assert rows.take(0.0, delete=True) is None
    assert taken(rows, LOCKED_RETRY_SECONDS).confirmed == {confirmed: 2 * LEASE}


def test_what_is_locked_for_long_is_reported() -> None:
    """Until it could be deleted."""
    rows, confirmed, _, _ = unsettled_rows()
    rows.settled(taken(rows), [confirmed], 0.0)
    assert rows.long_locked(LONG_LOCKED_SECONDS) == 0
    assert rows.long_locked(LONG_LOCKED_SECONDS + 0.1) == 1
    rows.settled(taken(rows, LONG_LOCKED_SECONDS), [], LONG_LOCKED_SECONDS)
    assert rows.long_locked(10 * LONG_LOCKED_SECONDS) == 0


def test_a_batch_deletes_what_it_is_lent() -> None:
    """What is confirmed while it runs is left for the next one."""
    rows, confirmed, _, _ = unsettled_rows()
    assert rows.lend() == [confirmed]
    was_lent = rows.is_lent
    assert confirmed in rows
    rows.confirmed[later := new_id()] = LEASE
    rows.take_back([], 0.0)
    assert (was_lent, rows.is_lent) == (True, False)
    assert rows.lend() == [later]


def test_a_batch_that_fails_deletes_nothing() -> None:
    """The next one is lent the same."""
    rows, confirmed, _, _ = unsettled_rows()
    rows.lend()
    rows.take_back(None, 0.0)
    assert rows.lend() == [confirmed]


@pytest.mark.parametrize(("now", "is_due"), [(1.0, True), (FOLLOWERS_SECONDS + 1, False)])
def test_events_that_wait_for_an_earlier_one_are_polled_once_it_is_deleted(now: float, is_due: bool) -> None:
    """For a while after they were written: others of the same contact are found by the next poll of everything."""
    rows, _, _, _ = unsettled_rows()
    rows.expect_followers(0.0)
    assert not rows.take_followers_due()
    rows.settled(taken(rows, now), [], now)
    assert rows.take_followers_due() is is_due
    assert not rows.take_followers_due()
