"""The demo's own judgement: silent when all is well, and by name when something is not."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from examples.api_types import Contact, Lead, Operator, Parked, Weight
from examples.bot import PARKED, Outcome, Submission
from examples.report import expected_shares, show
from examples.run_scenario import Read, Seen
from examples.scenario import OperatorPlan, Scenario, make_scenario
from examples.subscriber import Event
from examples.verification import ASSIGNED, WAITING, differences

Spoil = Callable[[Seen], Seen]


@pytest.fixture
def scenario() -> Scenario:
    """The demo's scenario under a fixed name."""
    return make_scenario("a1b2c3")


@pytest.fixture
def seen(scenario: Scenario) -> Seen:
    """A run in which everything went well; operators fill up one after the other."""
    events = [_event(scenario, number) for number in range(len(scenario.contacts))]
    first = {event.message_id: event for event in events}
    outcomes = [Outcome(s.message_id, first[s.message_id].id, ASSIGNED, {}) for s in scenario.repeated]
    outcomes += [Outcome(b.submission.message_id, "x", PARKED, {"code": b.code}) for b in scenario.broken]
    return Seen(len(scenario.messages()), 2.0, events, outcomes, _read(scenario, events))


def test_nothing_differs_when_all_is_well(scenario: Scenario, seen: Seen) -> None:
    """A good run has no remarks, so a remark means something."""
    assert differences(scenario, seen) == []


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda seen: replace(seen, published=552), "messages confirmed by the broker: expected 553, found 552"),
        (lambda seen: replace(seen, events=seen.events[1:]), "events: expected 500, found 499"),
        (lambda seen: replace(seen, events=[*seen.events, seen.events[0]]), "events: expected 500, found 501"),
        (lambda seen: replace(seen, outcomes=seen.outcomes[1:]), "duplicates recognised: expected 50, found 49"),
        (lambda seen: _reading(seen, contacts=seen.read.contacts[1:]), "contacts: expected 500, found 499"),
        (lambda seen: _reading(seen, leads=seen.read.leads[1:]), "leads: expected 200, found 199"),
        (lambda seen: _reading(seen, parked=seen.read.parked[1:]), "parked as invalid_json: expected 1, found 0"),
        (lambda seen: _reading(seen, parked=seen.read.parked * 2), "parked messages: expected 3, found 6"),
        (lambda seen: _loaded(seen, 151), "Ivan has 151 active contacts, over the limit of 150"),
        (lambda seen: _loaded(seen, 149), "load of Ivan, against its events: expected 150, found 149"),
    ],
)
def test_what_differs_is_named(scenario: Scenario, seen: Seen, spoil: Spoil, named: str) -> None:
    """Each sum that can fail is told with both figures."""
    assert named in differences(scenario, spoil(seen))


def test_a_second_contact_for_a_repeated_message_is_no_duplicate_recognised(seen: Seen) -> None:
    """An answer alone is no proof: it has to be the first event's own id."""
    answered_anew = [replace(seen.outcomes[0], id="another"), *seen.outcomes[1:]]

    assert replace(seen, outcomes=answered_anew).recognised == 49


def test_shares_are_combined_over_the_sources(scenario: Scenario, seen: Seen) -> None:
    """300 contacts at 50:30:20 and 200 at 0:1:1 come to 150, 190 and 160 of 500."""
    shares = expected_shares(scenario, seen)

    assert shares == pytest.approx({1: 0.30, 2: 0.38, 3: 0.32})


def test_the_tables_fit_a_narrow_screen(scenario: Scenario, seen: Seen) -> None:
    """A log of 80 columns shows every word."""
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        show(console, scenario, seen)

    assert "unknown_source" in captured.get()
    assert "…" not in captured.get()
    assert max(map(len, captured.get().splitlines())) <= 80


def _event(scenario: Scenario, number: int) -> Event:
    submission = scenario.contacts[number]
    limits = [operator.limit for operator in scenario.operators]
    place = next((i for i in range(len(limits)) if number < sum(limits[: i + 1])), None)
    # Fewer places than contacts, so that the last ones wait.
    operator = place if number < 480 else None
    return Event(
        id=f"event-{number}",
        type=WAITING if operator is None else ASSIGNED,
        sequence=1,
        contact_id=f"contact-{number}",
        message_id=submission.message_id,
        external_id=_lead(submission),
        source=submission.source,
        operator_id=None if operator is None else operator + 1,
        operator_name=None if operator is None else scenario.operators[operator].name,
        reason=None,
    )


def _lead(submission: Submission) -> str:
    return str(json.loads(submission.body)["lead"]["external_id"])


def _read(scenario: Scenario, events: list[Event]) -> Read:
    leads = {external_id: number for number, external_id in enumerate(scenario.leads())}
    totals = Counter(event.external_id for event in events)
    loads = Counter(event.operator_id for event in events)
    return Read(
        contacts=[_contact(event, leads[event.external_id]) for event in events],
        leads=[_lead_shape(number, external_id, totals[external_id]) for external_id, number in leads.items()],
        parked=[_parked(broken.submission.message_id, broken.code) for broken in scenario.broken],
        operators=[_operator(number, plan, loads[number]) for number, plan in enumerate(scenario.operators, start=1)],
        weights={
            source.code: [_weight(number, weight) for number, weight in enumerate(source.weights.values(), start=1)]
            for source in scenario.sources
        },
    )


def _contact(event: Event, lead_id: int) -> Contact:
    return Contact(
        id=event.contact_id,
        status="waiting" if event.operator_id is None else "active",
        lead_id=lead_id,
        source_id=1,
        operator_id=event.operator_id,
        message_id=event.message_id,
        payload=None,
        created_at="",
        assigned_at=None,
        closed_at=None,
    )


def _lead_shape(number: int, external_id: str, total: int) -> Lead:
    return Lead(
        id=number, external_id=external_id, phone=None, email=None, created_at="", contacts=[], contacts_total=total
    )


def _operator(number: int, plan: OperatorPlan, load: int) -> Operator:
    return Operator(id=number, name=plan.name, is_active=True, max_active_contacts=plan.limit, load=load, created_at="")


def _parked(message_id: str, code: str) -> Parked:
    return Parked(
        id="parked-1",
        state="rejected",
        code=code,
        detail="why",
        source=None,
        message_id=message_id,
        attempts=1,
        created_at="",
    )


def _weight(operator_id: int, weight: int) -> Weight:
    return Weight(
        operator_id=operator_id, name="", weight=weight, share=0, is_active=True, load=0, max_active_contacts=1
    )


def _reading(
    seen: Seen,
    contacts: list[Contact] | None = None,
    leads: list[Lead] | None = None,
    parked: list[Parked] | None = None,
    operators: list[Operator] | None = None,
) -> Seen:
    read = seen.read
    changed = Read(
        read.contacts if contacts is None else contacts,
        read.leads if leads is None else leads,
        read.parked if parked is None else parked,
        read.operators if operators is None else operators,
        read.weights,
    )
    return replace(seen, read=changed)


def _loaded(seen: Seen, load: int) -> Seen:
    olga, ivan, petr = seen.read.operators
    changed: Operator = {**ivan, "load": load}
    return _reading(seen, operators=[olga, changed, petr])
