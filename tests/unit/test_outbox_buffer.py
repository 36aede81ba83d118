"""What the relay decides about publications, without a broker and without a database."""

from distribution.store.outbox import Publication
from tests.unit.publications import publication
from worker.publish.fault_attribution import Fault
from worker.publish.in_flight import EVENTS, MIB, OVERTAKEN_AT_MOST, OVERTAKEN_SECONDS, REPLIES, RETRIES, LaneLimits
from worker.publish.outbox_buffer import Event, OutboxBuffer, Unsettled
from worker.publish.publisher import Landed, News
from worker.publish.retry_policy import (
    FIRST_PAUSE_SECONDS,
    UNPUBLISHABLE_SECONDS,
    EventRetryPolicy,
    Failure,
    ReplyRetryPolicy,
)

LEASE = 1_000.0


def hand_with(number: int, terms: LaneLimits = EVENTS) -> tuple[OutboxBuffer, list[Publication], Unsettled]:
    """One that holds so many publications, which are in it and in flight."""
    unsettled = Unsettled()
    hand = OutboxBuffer(terms, ReplyRetryPolicy() if terms is REPLIES else EventRetryPolicy(), unsettled)
    publications = [publication(reply_to="q" if terms is REPLIES else "") for _ in range(number)]
    hand.add(publications, LEASE)
    assert hand.take_off(1, 0.0)[0] == publications[: terms.in_flight]
    return hand, publications, unsettled


def landed(*publications: Publication, how: Landed = Landed.CONFIRMED) -> list[News]:
    """What the broker said of them."""
    return [(one, how, "") for one in publications]


def no() -> bool:
    """Nothing is declared anew."""
    return False


def failures(events: list[Event]) -> list[Failure | None]:
    """What is told of them."""
    return [event.failure for event in events]


def test_a_nack_is_its_publications_alone() -> None:
    """What was confirmed in the same news is done, and the nacked one waits for its retry."""
    hand, (first, refused, last), unsettled = hand_with(3)
    news = landed(first) + landed(refused, how=Landed.REFUSED) + landed(last)
    assert failures(hand.land(news, 1.0, no)) == [None, Failure.REFUSED, None]
    assert set(unsettled.done) == {first.id, last.id}
    assert unsettled.aside == {refused.id: (FIRST_PAUSE_SECONDS, LEASE)}
    assert hand.is_idle


def test_what_is_overtaken_does_not_fill_the_window() -> None:
    """A window full of events that are never confirmed lets others pass as soon as one of those is confirmed."""
    hand, publications, _ = hand_with(EVENTS.in_flight)
    stuck, passing = publications[:-1], publications[-1]
    hand.land(landed(passing), 0.1, no)
    assert hand.take_unconfirmed(OVERTAKEN_SECONDS - 0.1) == []
    hand.add([publication() for _ in range(EVENTS.in_flight)], LEASE)
    assert len(hand.take_off(1, 1.0)[0]) == 1
    assert hand.take_unconfirmed(OVERTAKEN_SECONDS + 0.1) == []
    assert len(hand.take_off(1, OVERTAKEN_SECONDS + 0.1)[0]) == EVENTS.in_flight - 1
    assert all(one.id in hand for one in stuck)


def test_what_is_overtaken_is_given_up_after_a_while() -> None:
    """It is tried later by itself; a confirmation that comes then still counts."""
    hand, (stuck, passing), unsettled = hand_with(2)
    hand.land(landed(passing), 0.1, no)
    assert hand.take_unconfirmed(EVENTS.confirm_seconds - 1) == []
    assert not hand.flights.is_silent(EVENTS.confirm_seconds + 1)
    assert failures(hand.take_unconfirmed(EVENTS.confirm_seconds + 1)) == [Failure.UNCONFIRMED]
    assert set(unsettled.aside) == {stuck.id}
    hand.land(landed(stuck), EVENTS.confirm_seconds + 2, no)
    assert set(unsettled.done) == {stuck.id, passing.id}
    assert not unsettled.aside


def test_what_is_overtaken_is_bounded() -> None:
    """However many of them there are, or however large."""
    for size in (10, MIB):
        hand, now = hand_with(0)[0], 0.0
        for _ in range(OVERTAKEN_AT_MOST):
            now += OVERTAKEN_SECONDS + 0.1
            hand.add([publication(size=size), publication()], LEASE**2)
            sent, _ = hand.take_off(1, now)
            hand.land(landed(*sent[1:]), now, no)
            hand.take_unconfirmed(now)
            held = hand.all()
            assert len(held) <= OVERTAKEN_AT_MOST + 2
            assert sum(one.size for one in held) <= 2 * EVENTS.bytes_in_flight + 2 * MIB


def test_a_broker_that_confirms_nothing_is_suspect_as_a_whole() -> None:
    """Nobody is overtaken then; after a while the connection is given up and each publication tried by itself."""
    hand, publications, unsettled = hand_with(3)
    hand.take_unconfirmed(EVENTS.confirm_seconds - 1)
    assert not hand.flights.is_silent(EVENTS.confirm_seconds - 1)
    assert hand.flights.is_silent(EVENTS.confirm_seconds + 1)
    assert failures(hand.silent(EVENTS.confirm_seconds + 1)) == [Failure.UNCONFIRMED] * 3
    assert set(unsettled.aside) == {one.id for one in publications}
    assert hand.is_idle


def test_an_alarm_of_the_broker_is_nobodys_fault() -> None:
    """However long it takes no publications: their time begins once it does."""
    for terms in (EVENTS, RETRIES, REPLIES):
        hand = hand_with(3, terms)[0]
        hand.flights.resume(1_000.0)
        assert hand.take_unconfirmed(1_000.0 + terms.confirm_seconds - 1) == []
        assert not hand.flights.is_silent(1_000.0 + terms.confirm_seconds - 1)


def test_retries_that_are_not_confirmed_do_not_cost_the_connection() -> None:
    """They are given up soon, although nothing overtook them."""
    hand, publications, unsettled = hand_with(2, RETRIES)
    assert not hand.flights.is_silent(RETRIES.confirm_seconds + 1)
    assert failures(hand.take_unconfirmed(RETRIES.confirm_seconds + 1)) == [Failure.UNCONFIRMED] * 2
    assert set(unsettled.aside) == {one.id for one in publications}


def test_a_channel_that_is_left_takes_nothing_with_it() -> None:
    """What is in flight on older channels is given up before they close."""
    hand, (old, _), unsettled = hand_with(2)
    hand.add([young := publication()], LEASE)
    hand.take_off(2, 1.0)
    assert len(hand.leave_channels_before(2, 1.0)) == 2
    assert old.id in unsettled.aside
    assert young.id in hand


def test_the_culprit_is_found_alone() -> None:
    """After a channel ended because of something published, suspects go one by one, and only the culprit stays out."""
    hand, (good, culprit, other), unsettled = hand_with(3)
    assert hand.bring_home(Fault.ONE, 1.0, "too large", all_suspect=False) == []
    assert hand.take_off(2, 1.0)[0] == [good]
    hand.land(landed(good), 1.1, no)
    assert hand.take_off(2, 1.2)[0] == [culprit]
    (event,) = hand.bring_home(Fault.ONE, 1.3, "too large", all_suspect=False)
    assert (event.failure, event.pause) == (Failure.UNPUBLISHABLE, UNPUBLISHABLE_SECONDS)
    assert set(unsettled.aside) == {culprit.id}
    assert hand.take_off(3, 1.4)[0] == [other]


def test_a_suspect_that_is_not_confirmed_holds_up_the_others_no_longer() -> None:
    """Once it is given up and no other is suspected, many go out at once again."""
    hand, suspects, _ = hand_with(2)
    hand.bring_home(Fault.ONE, 1.0, "too large", all_suspect=False)
    hand.add([publication() for _ in range(10)], LEASE)
    for suspect in suspects:
        assert hand.take_off(2, 1.0)[0] == [suspect]
        hand.silent(2.0)
    assert len(hand.take_off(3, 3.0)[0]) == 10


def test_a_lost_connection_blames_no_event() -> None:
    """What was in flight goes out again, in the same order, all at once."""
    hand, publications, unsettled = hand_with(3)
    assert hand.bring_home(Fault.NOBODY, 1.0, "lost", all_suspect=False) == []
    assert hand.take_off(2, 1.0)[0] == publications
    assert not unsettled.aside


def test_a_lost_connection_makes_replies_suspects() -> None:
    """Each is tried alone; the one that is in flight when it is lost again counts a try."""
    hand, (first, second), unsettled = hand_with(2, REPLIES)
    hand.bring_home(Fault.NOBODY, 1.0, "lost", all_suspect=True)
    assert hand.take_off(2, 1.0)[0] == [first]
    (event,) = hand.bring_home(Fault.NOBODY, 1.1, "lost", all_suspect=True)
    assert event.failure is Failure.UNCONFIRMED
    assert set(unsettled.aside) == {first.id}
    assert hand.take_off(3, 1.2)[0] == [second]


def test_nobody_may_reply() -> None:
    """Where the broker takes no replies from us at all, those in hand are dropped and not tried one by one."""
    hand, publications, unsettled = hand_with(3, REPLIES)
    hand.bring_home(Fault.ALL, 1.0, "no right", all_suspect=True)
    ready, dropped = hand.take_off(2, 1.0)
    assert (ready, len(dropped)) == ([], 3)
    assert set(unsettled.done) == {one.id for one in publications}


def test_what_is_in_hand_is_bounded_by_bytes() -> None:
    """Beyond that the database keeps it, for whoever has room."""
    unsettled = Unsettled()
    hand = OutboxBuffer(EVENTS, EventRetryPolicy(), unsettled)
    large = [publication(size=250_000) for _ in range(EVENTS.held)]
    hand.add(large, LEASE)
    held = hand.all()
    assert sum(one.size for one in held) <= EVENTS.bytes_held + 250_000
    assert unsettled.released == {one.id for one in large[len(held) :]}


def test_what_is_in_flight_is_bounded_by_bytes() -> None:
    """As many as fit; one that is larger than all goes alone."""
    hand = OutboxBuffer(EVENTS, EventRetryPolicy(), Unsettled())
    hand.add([publication(size=MIB) for _ in range(6)], LEASE)
    hand.add([publication(size=10 * MIB)], LEASE)
    first, _ = hand.take_off(1, 0.0)
    assert len(first) == EVENTS.bytes_in_flight // MIB
    hand.land(landed(*first), 1.0, no)
    second, _ = hand.take_off(1, 1.0)
    assert len(second) == 2
    hand.land(landed(*second), 2.0, no)
    assert len(hand.take_off(1, 2.0)[0]) == 1


def test_a_lease_that_ended_is_let_go() -> None:
    """It may be somebody else's: whoever claims it publishes it."""
    hand, _, unsettled = hand_with(0)
    publications = [publication(), publication()]
    hand.add(publications[:1], 5.0)
    hand.add(publications[1:], 50.0)
    assert hand.take_off(1, 6.0)[0] == publications[1:]
    assert not unsettled.done
    assert hand.all()[0].publication == publications[1]


def test_what_could_not_be_settled_is_settled_later() -> None:
    """What was confirmed meanwhile is deleted, and not set aside."""
    hand, (stuck, done), unsettled = hand_with(2)
    hand.land(landed(stuck, how=Landed.REFUSED) + landed(done), 1.0, no)
    taken = unsettled.take_done(), unsettled.take_aside(), unsettled.take_released()
    unsettled.done[stuck.id] = LEASE
    unsettled.put_back(*taken)
    assert set(unsettled.done) == {stuck.id, done.id}
    assert not unsettled.aside


def test_what_is_locked_stays_ours_and_is_deleted_by_itself() -> None:
    """It is not published again meanwhile, its lease is renewed, and no batch waits for its lock."""
    _, (locked, done), unsettled = hand_with(2)
    unsettled.locked[locked.id] = unsettled.done[done.id] = LEASE
    assert locked.id in unsettled
    unsettled.renewed([locked.id], 2 * LEASE)
    assert dict(unsettled.leases()) == {locked.id: 2 * LEASE, done.id: LEASE}
    assert unsettled.take_done() == {done.id: LEASE}
    assert unsettled.take_locked() == {locked.id: 2 * LEASE}
    assert locked.id not in unsettled
