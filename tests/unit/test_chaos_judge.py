"""The judge of the chaos runs sees every kind of broken promise, and nothing if none is broken."""

from collections.abc import Callable

import pytest

from tests.chaos.judge import ContactRow, DecisionRow, Facts, OperatorRow, judge
from tests.chaos.subscriber import Heard

ONE, TWO = ("web", "m-1"), ("web", "m-2")


def heard(event_id: str, contact_id: str, sequence: int, key: tuple[str, str] = ONE) -> Heard:
    """An event."""
    return Heard(event_id, contact_id, sequence, "contact.assigned", key, 1)


def good() -> Facts:
    """Two contacts, one closed, one broken message."""
    facts = Facts(
        confirmed={ONE, TWO},
        sent={ONE, TWO},
        broken=1,
        contacts=[ContactRow("a", ONE, 2), ContactRow("b", TWO, 1)],
        decisions=[DecisionRow("e1", "a", 1), DecisionRow("e2", "a", 2), DecisionRow("e3", "b", 1)],
        heard=[heard("e1", "a", 1), heard("e3", "b", 1, TWO), heard("e2", "a", 2)],
        operators=[OperatorRow(1, 1, 1, 5)],
        faults_planned=3,
        faults_done=3,
    )
    facts.parked["invalid_json"] = 1
    return facts


def lose_a_contact(facts: Facts) -> None:
    """A confirmed submission without a contact."""
    facts.confirmed.add(("web", "m-3"))


def forget_a_broken_one(facts: Facts) -> None:
    """A broken message that is nowhere."""
    facts.parked.clear()


def park_a_good_one(facts: Facts) -> None:
    """A message parked for no fault of its own."""
    facts.parked["processing_failed"] = 1


def double_a_contact(facts: Facts) -> None:
    """Two contacts of one key."""
    facts.contacts.append(ContactRow("c", ONE, 0))


def tell_of_another(facts: Facts) -> None:
    """An event of a contact that the key does not have."""
    facts.heard.append(heard("e9", "z", 1))


def swallow_an_event(facts: Facts) -> None:
    """A change that nobody heard of."""
    facts.heard.pop()


def skip_a_number(facts: Facts) -> None:
    """A history with a hole."""
    facts.decisions[1] = DecisionRow("e2", "a", 3)


def swap_events(facts: Facts) -> None:
    """The second event first."""
    facts.heard.reverse()


def exceed(facts: Facts) -> None:
    """More than the limit."""
    facts.operators.append(OperatorRow(2, 6, 6, 5))


def exceed_for_a_moment(facts: Facts) -> None:
    """An operator was over the limit, and no longer is."""
    facts.excesses.append((1, 6, 5))


def miscount(facts: Facts) -> None:
    """A load that is not true."""
    facts.operators.append(OperatorRow(2, 2, 1, 5))


def leave_one(facts: Facts) -> None:
    """An event that was never published."""
    facts.outbox = 1


def let_wait(facts: Facts) -> None:
    """Somebody waits beside a free place."""
    facts.servable = 1


def dead_letter_left(facts: Facts) -> None:
    """A message in contacts.dead."""
    facts.dead = 1


def hold_up_the_innocent(facts: Facts) -> None:
    """Events waited for a subscriber who has nothing to do with them."""
    facts.late = "outbox 3"


def let_expire(facts: Facts) -> None:
    """A message expired, and nobody kept it."""
    facts.expiring.add(("web", "x-1"))


def give_up_a_lasting_one(facts: Facts) -> None:
    """The broker gave up a message that never expires."""
    facts.undelivered.add("m-1")


def do_nothing(facts: Facts) -> None:
    """A run without its faults."""
    facts.faults_done = 0


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    """Good facts have no findings."""
    assert judge(good()) == []


def test_an_expired_message_that_is_kept_is_no_loss() -> None:
    """Parked as undelivered, or gone with a broker that died: dead-lettering is at most once."""
    facts = good()
    let_expire(facts)
    facts.undelivered.add("x-1")
    facts.parked["undelivered"] = 1
    assert judge(facts) == []
    facts.undelivered.clear()
    facts.broker_deaths = 1
    assert judge(facts) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_a_contact, "lost: a confirmed submission"),
        (forget_a_broken_one, "lost: 1 broken messages"),
        (park_a_good_one, "parked without a reason"),
        (double_a_contact, "doubled: more than one contact"),
        (tell_of_another, "doubled: events of more than one contact"),
        (swallow_an_event, "change without its event"),
        (skip_a_number, "gap"),
        (swap_events, "out of order"),
        (exceed, "over the limit"),
        (exceed_for_a_moment, "over the limit: (operator, load, limit) at some moment"),
        (miscount, "load"),
        (leave_one, "unpublished"),
        (let_wait, "waiting beside"),
        (dead_letter_left, "lost: 1 messages are in contacts.dead"),
        (hold_up_the_innocent, "late: "),
        (let_expire, "lost: an expired message"),
        (give_up_a_lasting_one, "given up by the broker"),
        (do_nothing, "blind"),
    ],
)
def test_every_broken_promise_is_found(spoil: Callable[[Facts], None], said: str) -> None:
    """Each kind of damage has its finding."""
    facts = good()
    spoil(facts)
    assert any(finding.startswith(said) for finding in judge(facts)), judge(facts)
