"""What the relay decides about publications, without a broker and without a database."""

from distribution.store.outbox import Publication
from tests.publications import publication
from worker.broker.publish_result import PublishResult
from worker.publish.in_flight import EVENTS, MIB, OVERTAKEN_AT_MOST, OVERTAKEN_SECONDS, REPLIES, RETRIES, LaneLimits
from worker.publish.outbox_buffer import Attempt, Fault, OutboxBuffer, Report
from worker.publish.retry_policy import (
    FIRST_PAUSE_SECONDS,
    UNPUBLISHABLE_SECONDS,
    ReplyRetryPolicy,
    RetryPolicy,
)
from worker.publish.unsettled_rows import UnsettledRows

LEASE = 1_000.0


def buffer_with(number: int, limits: LaneLimits = EVENTS) -> tuple[OutboxBuffer, list[Publication], UnsettledRows]:
    """One that holds so many publications, which are in it and in flight."""
    unsettled = UnsettledRows()
    buffer = OutboxBuffer(limits, ReplyRetryPolicy() if limits is REPLIES else RetryPolicy(), unsettled)
    publications = [publication(reply_to="q" if limits is REPLIES else "") for _ in range(number)]
    buffer.add(publications, LEASE)
    assert buffer.fill(1, 0.0)[0] == publications[: limits.in_flight]
    return buffer, publications, unsettled


def reports(*publications: Publication, result: PublishResult = PublishResult.CONFIRMED) -> list[Report]:
    """What the broker said of them."""
    return [(one, result, "") for one in publications]


def overdue(buffer: OutboxBuffer, now: float) -> list[Attempt]:
    """What is given up since it was not confirmed in time."""
    return buffer.fail_unconfirmed(buffer.in_flight.pop_overdue(now), now)


def all_failed(buffer: OutboxBuffer, now: float) -> list[Attempt]:
    """What is given up with the connection: everything in flight."""
    return buffer.fail_unconfirmed(buffer.in_flight.clear(), now)


def no() -> bool:
    """Nothing is declared anew."""
    return False


def results(events: list[Attempt]) -> list[PublishResult]:
    """What is told of them."""
    return [attempt.result for attempt in events]


def test_a_nack_is_its_publications_alone() -> None:
    """What was confirmed in the same news is done, and the nacked one waits for its retry."""
    buffer, (first, refused, last), unsettled = buffer_with(3)
    news = reports(first) + reports(refused, result=PublishResult.REFUSED) + reports(last)
    assert results(buffer.apply_results(news, 1.0, no)) == [
        PublishResult.CONFIRMED,
        PublishResult.REFUSED,
        PublishResult.CONFIRMED,
    ]
    assert set(unsettled.confirmed) == {first.id, last.id}
    assert unsettled.quarantined == {refused.id: (FIRST_PAUSE_SECONDS, LEASE)}
    assert buffer.is_idle


def test_what_is_overtaken_does_not_fill_the_window() -> None:
    """A window full of events that are never confirmed lets others pass as soon as one of those is confirmed."""
    buffer, publications, _ = buffer_with(EVENTS.in_flight)
    stuck, passing = publications[:-1], publications[-1]
    buffer.apply_results(reports(passing), 0.1, no)
    assert overdue(buffer, OVERTAKEN_SECONDS - 0.1) == []
    buffer.add([publication() for _ in range(EVENTS.in_flight)], LEASE)
    assert len(buffer.fill(1, 1.0)[0]) == 1
    assert overdue(buffer, OVERTAKEN_SECONDS + 0.1) == []
    assert len(buffer.fill(1, OVERTAKEN_SECONDS + 0.1)[0]) == EVENTS.in_flight - 1
    assert all(one.id in buffer for one in stuck)


def test_what_is_overtaken_is_given_up_after_a_while() -> None:
    """It is tried later by itself; a confirmation that comes then still counts."""
    buffer, (stuck, passing), unsettled = buffer_with(2)
    buffer.apply_results(reports(passing), 0.1, no)
    assert overdue(buffer, EVENTS.confirm_seconds - 1) == []
    assert not buffer.in_flight.is_silent(EVENTS.confirm_seconds + 1)
    assert results(overdue(buffer, EVENTS.confirm_seconds + 1)) == [PublishResult.UNCONFIRMED]
    assert set(unsettled.quarantined) == {stuck.id}
    buffer.apply_results(reports(stuck), EVENTS.confirm_seconds + 2, no)
    assert set(unsettled.confirmed) == {stuck.id, passing.id}
    assert not unsettled.quarantined


def test_what_is_overtaken_is_bounded() -> None:
    """However many of them there are, or however large."""
    for size in (10, MIB):
        buffer, now = buffer_with(0)[0], 0.0
        for _ in range(OVERTAKEN_AT_MOST):
            now += OVERTAKEN_SECONDS + 0.1
            buffer.add([publication(size=size), publication()], LEASE**2)
            sent, _ = buffer.fill(1, now)
            buffer.apply_results(reports(*sent[1:]), now, no)
            overdue(buffer, now)
            held = buffer.all()
            assert len(held) <= OVERTAKEN_AT_MOST + 2
            assert sum(one.size for one in held) <= 2 * EVENTS.bytes_in_flight + 2 * MIB


def test_a_broker_that_confirms_nothing_is_suspect_as_a_whole() -> None:
    """Nobody is overtaken then; after a while the connection is given up and each publication tried by itself."""
    buffer, publications, unsettled = buffer_with(3)
    overdue(buffer, EVENTS.confirm_seconds - 1)
    assert not buffer.in_flight.is_silent(EVENTS.confirm_seconds - 1)
    assert buffer.in_flight.is_silent(EVENTS.confirm_seconds + 1)
    assert results(all_failed(buffer, EVENTS.confirm_seconds + 1)) == [PublishResult.UNCONFIRMED] * 3
    assert set(unsettled.quarantined) == {one.id for one in publications}
    assert buffer.is_idle


def test_an_alarm_of_the_broker_is_nobodys_fault() -> None:
    """However long it takes no publications: their time begins once it does."""
    for limits in (EVENTS, RETRIES, REPLIES):
        buffer = buffer_with(3, limits)[0]
        buffer.in_flight.note_blocked(1_000.0)
        assert overdue(buffer, 1_000.0 + limits.confirm_seconds - 1) == []
        assert not buffer.in_flight.is_silent(1_000.0 + limits.confirm_seconds - 1)


def test_retries_that_are_not_confirmed_do_not_cost_the_connection() -> None:
    """They are given up soon, although nothing overtook them."""
    buffer, publications, unsettled = buffer_with(2, RETRIES)
    assert not buffer.in_flight.is_silent(RETRIES.confirm_seconds + 1)
    assert results(overdue(buffer, RETRIES.confirm_seconds + 1)) == [PublishResult.UNCONFIRMED] * 2
    assert set(unsettled.quarantined) == {one.id for one in publications}


def test_a_channel_that_is_left_takes_nothing_with_it() -> None:
    """What is in flight on older channels is given up before they close."""
    buffer, (old, _), unsettled = buffer_with(2)
    buffer.add([young := publication()], LEASE)
    buffer.fill(2, 1.0)
    assert len(buffer.fail_unconfirmed(buffer.in_flight.pop_channels_before(2), 1.0)) == 2
    assert old.id in unsettled.quarantined
    assert young.id in buffer


def test_the_culprit_is_found_alone() -> None:
    """After a channel ended because of something published, suspects go one by one, and only the culprit stays out."""
    buffer, (good, culprit, other), unsettled = buffer_with(3)
    assert buffer.take_back(Fault.ONE, 1.0, "too large", all_suspect=False) == []
    assert buffer.fill(2, 1.0)[0] == [good]
    buffer.apply_results(reports(good), 1.1, no)
    assert buffer.fill(2, 1.2)[0] == [culprit]
    (attempt,) = buffer.take_back(Fault.ONE, 1.3, "too large", all_suspect=False)
    assert (attempt.result, attempt.pause) == (PublishResult.UNPUBLISHABLE, UNPUBLISHABLE_SECONDS)
    assert set(unsettled.quarantined) == {culprit.id}
    assert buffer.fill(3, 1.4)[0] == [other]


def test_a_suspect_that_is_not_confirmed_holds_up_the_others_no_longer() -> None:
    """Once it is given up and no other is suspected, many go out at once again."""
    buffer, suspects, _ = buffer_with(2)
    buffer.take_back(Fault.ONE, 1.0, "too large", all_suspect=False)
    buffer.add([publication() for _ in range(10)], LEASE)
    for suspect in suspects:
        assert buffer.fill(2, 1.0)[0] == [suspect]
        all_failed(buffer, 2.0)
    assert len(buffer.fill(3, 3.0)[0]) == 10


def test_a_lost_connection_blames_no_event() -> None:
    """What was in flight goes out again, in the same order, all at once."""
    buffer, publications, unsettled = buffer_with(3)
    assert buffer.take_back(Fault.NONE, 1.0, "lost", all_suspect=False) == []
    assert buffer.fill(2, 1.0)[0] == publications
    assert not unsettled.quarantined


def test_a_lost_connection_makes_replies_suspects() -> None:
    """Each is tried alone; the one that is in flight when it is lost again counts a try."""
    buffer, (first, second), unsettled = buffer_with(2, REPLIES)
    buffer.take_back(Fault.NONE, 1.0, "lost", all_suspect=True)
    assert buffer.fill(2, 1.0)[0] == [first]
    (attempt,) = buffer.take_back(Fault.NONE, 1.1, "lost", all_suspect=True)
    assert attempt.result is PublishResult.UNCONFIRMED
    assert set(unsettled.quarantined) == {first.id}
    assert buffer.fill(3, 1.2)[0] == [second]


def test_nobody_may_reply() -> None:
    """Where the broker takes no replies from us at all, those in buffer are dropped and not tried one by one."""
    buffer, publications, unsettled = buffer_with(3, REPLIES)
    buffer.take_back(Fault.ALL, 1.0, "no right", all_suspect=True)
    ready, dropped = buffer.fill(2, 1.0)
    assert (ready, len(dropped)) == ([], 3)
    assert set(unsettled.confirmed) == {one.id for one in publications}


def test_what_is_in_buffer_is_bounded_by_bytes() -> None:
    """Beyond that the database keeps it, for whoever has room."""
    unsettled = UnsettledRows()
    buffer = OutboxBuffer(EVENTS, RetryPolicy(), unsettled)
    large = [publication(size=250_000) for _ in range(EVENTS.buffered)]
    buffer.add(large, LEASE)
    held = buffer.all()
    assert sum(one.size for one in held) <= EVENTS.bytes_buffered + 250_000
    assert unsettled.released == {one.id for one in large[len(held) :]}


def test_what_is_in_flight_is_bounded_by_bytes() -> None:
    """As many as fit; one that is larger than all goes alone."""
    buffer = OutboxBuffer(EVENTS, RetryPolicy(), UnsettledRows())
    buffer.add([publication(size=MIB) for _ in range(6)], LEASE)
    buffer.add([publication(size=10 * MIB)], LEASE)
    first, _ = buffer.fill(1, 0.0)
    assert len(first) == EVENTS.bytes_in_flight // MIB
    buffer.apply_results(reports(*first), 1.0, no)
    second, _ = buffer.fill(1, 1.0)
    assert len(second) == 2
    buffer.apply_results(reports(*second), 2.0, no)
    assert len(buffer.fill(1, 2.0)[0]) == 1


def test_a_lease_that_ended_is_let_go() -> None:
    """It may be somebody else's: whoever claims it publishes it."""
    buffer, _, unsettled = buffer_with(0)
    publications = [publication(), publication()]
    buffer.add(publications[:1], 5.0)
    buffer.add(publications[1:], 50.0)
    assert buffer.fill(1, 6.0)[0] == publications[1:]
    assert not unsettled.confirmed
    assert buffer.all()[0].publication == publications[1]
