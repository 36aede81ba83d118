"""When what the broker did not take is tried again, who is blamed, and what is said of it."""

from collections.abc import Callable

import pytest
import structlog
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed, ConnectionInternalError

from tests.publications import publication
from worker.broker.publish_result import PublishResult
from worker.incident_log import INCIDENTS_AT_MOST, QUIET_SECONDS, IncidentLog
from worker.publish.fault_attribution import attribute_fault
from worker.publish.outbox_buffer import Fault
from worker.publish.retry_policy import (
    BARRED_AT_MOST,
    BARRED_SECONDS,
    LONGEST_PAUSE_SECONDS,
    REPLY_TRIES,
    ReplyRetryPolicy,
    RetryBudget,
    RetryPolicy,
    backoff,
)


def test_events_are_tried_ever_more_rarely_and_never_given_up() -> None:
    """From a second to a few minutes."""
    pauses = [backoff(attempts) for attempts in range(12)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS == backoff(10_000)
    assert RetryPolicy().next_pause(publication(attempts=10_000), PublishResult.REFUSED, 0.0) == LONGEST_PAUSE_SECONDS


def test_replies_get_a_few_tries() -> None:
    """Then they are dropped, and for a while the next ones to that queue get a single one; other queues all."""
    tries = ReplyRetryPolicy()
    pauses = [
        tries.next_pause(publication(reply_to="q", attempts=n), PublishResult.REFUSED, 0.0) for n in range(REPLY_TRIES)
    ]
    assert pauses == [1, 2, None]
    assert not tries.is_barred(publication(reply_to="q"), 1.0)
    assert tries.next_pause(publication(reply_to="q"), PublishResult.REFUSED, 1.0) is None
    assert tries.next_pause(publication(reply_to="other"), PublishResult.REFUSED, 1.0) == 1
    assert tries.next_pause(publication(reply_to="q"), PublishResult.REFUSED, 2 * BARRED_SECONDS) == 1


def test_a_reply_that_ends_the_connection_gets_no_second_try() -> None:
    """Nor do others to its queue, for a while."""
    tries = ReplyRetryPolicy()
    assert tries.next_pause(publication(reply_to="bad"), PublishResult.UNPUBLISHABLE, 0.0) is None
    assert tries.is_barred(publication(reply_to="bad"), 1.0)
    assert not tries.is_barred(publication(reply_to="good"), 1.0)
    assert not tries.is_barred(publication(reply_to="bad"), BARRED_SECONDS + 1)


def test_what_is_remembered_of_reply_queues_is_bounded() -> None:
    """Their names are a sender's choice."""
    tries = ReplyRetryPolicy()
    for n in range(BARRED_AT_MOST + 1):
        tries.next_pause(publication(reply_to=f"q-{n}"), PublishResult.UNPUBLISHABLE, 0.0)
    assert not tries.is_barred(publication(reply_to="q-0"), 1.0)
    assert tries.is_barred(publication(reply_to="q-1"), 1.0)


def test_few_are_tried_while_all_fail_and_many_once_they_are_taken() -> None:
    """A queue that takes them gets few copies; one that has room again gets everything soon."""
    budget, now, tried = RetryBudget(), 0.0, 0
    while now < 60:
        tried += budget.size
        budget.round_over(0, budget.size, now)
        assert budget.next_at > now
        now = budget.next_at
    assert tried <= 60
    rounds = 0
    while budget.size < RetryBudget.MANY:
        budget.round_over(budget.size, 0, now)
        assert budget.next_at <= now
        rounds += 1
    assert rounds < 10


def test_one_queue_that_stays_full_does_not_hold_up_another_that_is_not() -> None:
    """Rounds with both go on every second."""
    budget = RetryBudget()
    for now in range(100):
        budget.round_over(3, 2, float(now))
        assert budget.size >= RetryBudget.FEW
        assert budget.next_at == now + 1


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([], Fault.NONE),
        ([ConnectionResetError("reset")], Fault.NONE),
        ([ChannelPreconditionFailed("message size 5000 is larger than configured max size 4000")], Fault.ONE),
        ([ConnectionResetError(), ConnectionInternalError(541, "INTERNAL_ERROR")], Fault.ONE),
        ([ChannelAccessRefused("access to exchange 'amq.default' in vhost '/' refused for user 'w'")], Fault.ALL),
        ([ChannelAccessRefused("access to topic 'a.b' in exchange 'x' in vhost '/' refused for user 'w'")], Fault.ONE),
    ],
)
def test_who_is_blamed_for_the_end_of_a_channel(reasons: list[BaseException], expected: Fault) -> None:
    """Something that was published, the rights that we do not have, or nobody."""
    assert attribute_fault(*reasons) is expected


def logged(act: Callable[[IncidentLog], None], clock: Callable[[], float]) -> list[dict[str, object]]:
    """The lines that are logged meanwhile."""
    with structlog.testing.capture_logs() as lines:
        act(IncidentLog("worker.publish.relay", clock))
    return [dict(line) for line in lines]


def test_an_incident_is_logged_once_and_then_counted() -> None:
    """The next line, a minute later, says how often it came."""
    now = [0.0]

    def act(incidents: IncidentLog) -> None:
        for _ in range(1000):
            incidents.tell("event_refused", "contact.assigned.web")
        now[0] = QUIET_SECONDS + 1
        incidents.tell("event_refused", "contact.assigned.web")

    assert [line["times"] for line in logged(act, lambda: now[0])] == [1, 1000]


def test_names_that_a_sender_chooses_do_not_fill_the_log() -> None:
    """A few incidents are told apart, all others are one."""

    def act(incidents: IncidentLog) -> None:
        for n in range(1000):
            incidents.tell("reply_dropped", f"queue-{n}")

    assert len(logged(act, lambda: 0.0)) == INCIDENTS_AT_MOST + 1
