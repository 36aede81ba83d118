"""What the demo is about to do is what it promises to do."""

import json
from collections import Counter
from itertools import groupby

from examples.scenario import CONTACTS, LEADS, make_scenario


def test_the_counts_are_those_the_demo_promises() -> None:
    """500 contacts of 200 leads, 50 messages twice, three broken: 553 messages."""
    scenario = make_scenario("a1b2c3")
    keys = Counter(message.message_id for message in scenario.messages())

    assert len(scenario.contacts) == CONTACTS == 500
    assert len(scenario.leads()) == LEADS == 200
    assert len(scenario.messages()) == 553
    assert Counter(keys.values()) == {1: 453, 2: 50}


def test_every_lead_has_contacts_and_some_come_through_both_sources() -> None:
    """Recognising a lead across sources is part of what is shown."""
    bodies = [json.loads(submission.body) for submission in make_scenario("a1b2c3").contacts]
    pairs = sorted({(body["lead"]["external_id"], body["source"]) for body in bodies})
    sources_of = {lead: len(list(group)) for lead, group in groupby(pairs, key=lambda pair: pair[0])}

    assert set(sources_of) == set(make_scenario("a1b2c3").leads())
    assert set(sources_of.values()) >= {2}


def test_a_repetition_is_the_same_message_again_and_later() -> None:
    """Same key, same body; the second asks what became of it."""
    scenario = make_scenario("a1b2c3")
    messages = scenario.messages()

    for repeated in scenario.repeated:
        places = [place for place, each in enumerate(messages) if each.message_id == repeated.message_id]
        assert len(places) == 2
        assert messages[places[0]].body == messages[places[1]].body
        assert [messages[place].asks_outcome for place in places] == [False, True]


def test_the_limits_make_some_contacts_wait_and_leave_somebody_room() -> None:
    """Both operators of the form are wanted beyond their limit; Olga never is."""
    scenario = make_scenario("a1b2c3")
    per_source = Counter(submission.source for submission in scenario.contacts)
    limits = {operator.name: operator.limit for operator in scenario.operators}
    form = scenario.sources[1]

    wanted = dict.fromkeys(limits, 0.0)
    for source in scenario.sources:
        for operator, weight in source.weights.items():
            wanted[operator] += per_source[source.code] * weight / sum(source.weights.values())
    assert all(wanted[operator] > limits[operator] for operator, weight in form.weights.items() if weight)
    assert limits["Olga"] >= per_source[scenario.sources[0].code]


def test_two_runs_have_nothing_in_common() -> None:
    """So a database that has seen a demo can see another."""
    one, other = make_scenario("a1b2c3"), make_scenario("d4e5f6")

    assert not {m.message_id for m in one.messages()} & {m.message_id for m in other.messages()}
    assert not {source.code for source in one.sources} & {source.code for source in other.sources}
    assert not set(one.leads()) & set(other.leads())
