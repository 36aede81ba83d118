"""What a lane of the relay does next, without a broker and without a database."""

from tests.publications import publication
from worker.publish.in_flight import EVENTS
from worker.publish.lane_state_machine import LaneState
from worker.publish.retry_policy import RetryPolicy
from worker.publish.unsettled_rows import UnsettledRows


def test_what_a_long_batch_wrote_is_not_dropped_before_its_lease_is_renewed() -> None:
    """It can be added between the renewal and the sending of one round; dropped, it would wait for a whole lease."""
    state, now = LaneState(EVENTS, RetryPolicy(), UnsettledRows()), 100.0
    assert state.is_renewal_due(now)
    state.add([publication()], now - 1)
    assert state.fill(1, now) == ([], [])
    assert state.is_renewal_due(now)
    [leased] = state.buffer.all()
    leased.until = now + 15
    assert state.fill(1, now)[0] == [leased.publication]
