"""Checks the totals of a demo run, using only what was seen from outside."""

from collections import Counter
from collections.abc import Iterator

from examples.bot import PARKED
from examples.run_scenario import Seen
from examples.scenario import Scenario

ASSIGNED = "contact.assigned"
WAITING = "contact.waiting"


def differences(scenario: Scenario, seen: Seen) -> list[str]:
    """The differences from what is expected, a sentence each."""
    return [
        *_counts(scenario, seen),
        *_events(scenario, seen),
        *_parked(scenario, seen),
        *_operators(seen),
    ]


def loads_by_events(seen: Seen) -> Counter[int | None]:
    """How many contacts each operator got, by the events."""
    return Counter(event.operator_id for event in seen.events if event.type == ASSIGNED)


def waiting_by_events(seen: Seen) -> int:
    """How many contacts no operator could take, by the events."""
    return sum(event.type == WAITING for event in seen.events)


def _counts(scenario: Scenario, seen: Seen) -> Iterator[str]:
    contacts, leads = seen.read.contacts, seen.read.leads
    status = Counter(contact["status"] for contact in contacts)
    yield from _differs("messages confirmed by the broker", len(scenario.messages()), seen.published)
    yield from _differs("contacts", len(scenario.contacts), len(contacts))
    yield from _differs("keys among the contacts", len(scenario.contacts), len({c["message_id"] for c in contacts}))
    yield from _differs("contacts of the leads", len(scenario.contacts), sum(lead["contacts_total"] for lead in leads))
    yield from _differs("leads", len(scenario.leads()), len(leads))
    yield from _differs("leads that the contacts name", len(scenario.leads()), len({c["lead_id"] for c in contacts}))
    yield from _differs("duplicates recognised", len(scenario.repeated), seen.recognised)
    yield from _differs("waiting contacts", waiting_by_events(seen), status["waiting"])
    yield from _differs("active and waiting contacts", len(contacts), status["active"] + status["waiting"])


def _events(scenario: Scenario, seen: Seen) -> Iterator[str]:
    first = [event for event in seen.events if event.sequence == 1 and event.type in (ASSIGNED, WAITING)]
    yield from _differs("events", len(scenario.contacts), len(seen.events))
    yield from _differs("first events", len(scenario.contacts), len(first))
    yield from _differs("contacts with a first event", len(scenario.contacts), len({e.contact_id for e in first}))
    unknown = {event.contact_id for event in first} ^ {contact["id"] for contact in seen.read.contacts}
    yield from _differs("contacts known only to the events or only to the API", 0, len(unknown))


def _parked(scenario: Scenario, seen: Seen) -> Iterator[str]:
    expected = {broken.submission.message_id: broken.code for broken in scenario.broken}
    actual = Counter((parked["message_id"], parked["code"]) for parked in seen.read.parked)
    replied = Counter((outcome.message_id, outcome.data["code"]) for outcome in seen.outcomes if outcome.type == PARKED)
    yield from _differs("parked messages", len(expected), sum(actual.values()))
    for message_id, code in expected.items():
        yield from _differs(f"parked as {code}", 1, actual[(message_id, code)])
        yield from _differs(f"answers of {code} to the bot", 1, replied[(message_id, code)])


def _operators(seen: Seen) -> Iterator[str]:
    got = loads_by_events(seen)
    holding = Counter(contact["operator_id"] for contact in seen.read.contacts)
    for operator in seen.read.operators:
        name, load, limit = operator["name"], operator["load"], operator["max_active_contacts"]
        yield from _differs(f"load of {name}, against its events", got[operator["id"]], load)
        yield from _differs(f"load of {name}, against its contacts", holding[operator["id"]], load)
        if load > limit:
            yield f"{name} has {load} active contacts, over the limit of {limit}"


def _differs(what: str, expected: int, actual: int) -> Iterator[str]:
    if expected != actual:
        yield f"{what}: expected {expected}, found {actual}"
