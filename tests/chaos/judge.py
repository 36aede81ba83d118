"""Checks what must hold after a run: every violated promise is a finding."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.chaos.limit_trigger import Excess
from tests.chaos.subscriber import Heard

Key = tuple[str, str]
SHOWN = 3


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact in the database."""

    id: str
    key: Key
    sequence: int


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A change in the database."""

    event_id: str
    contact_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator: load as stored and as counted."""

    id: int
    load: int
    counted: int
    limit: int
    forced: bool = False


@dataclass
class Facts:
    """Everything the judge looks at.

    `expiring`: confirmed keys that may have expired; `undelivered`: message ids parked because the broker expired them.
    `broker_deaths`: the broker dead-letters at most once, so a message that expires while the broker dies may be lost.
    `late`: events not published while the full subscriber was full, although they are not its own.
    """

    confirmed: set[Key]
    sent: set[Key]
    broken: int
    contacts: list[ContactRow]
    decisions: list[DecisionRow]
    heard: list[Heard]
    operators: list[OperatorRow]
    excesses: list[Excess] = field(default_factory=list)
    parked: Counter[str] = field(default_factory=Counter)
    outbox: int = 0
    dead: int = 0
    expiring: set[Key] = field(default_factory=set)
    undelivered: set[str] = field(default_factory=set)
    broker_deaths: int = 0
    late: str = ""
    servable: int = 0
    faults_planned: int = 0
    faults_done: int = 0


def judge(facts: Facts) -> list[str]:
    """Every finding, a line each; none if all promises were kept."""
    return [
        *_nothing_lost(facts),
        *_nothing_doubled(facts),
        *_events_are_changes(facts),
        *_no_gaps(facts),
        *_in_order(facts.heard),
        *_within_limits(facts),
        *_nothing_left(facts),
    ]


def _nothing_lost(facts: Facts) -> Iterator[str]:
    known = {contact.key for contact in facts.contacts}
    yield from _finding("lost: a confirmed submission is no contact", facts.confirmed - known)
    if facts.parked["invalid_json"] != facts.broken:
        yield f"lost: {facts.broken} broken messages were sent, {facts.parked['invalid_json']} are parked"
    gone = {key for key in facts.expiring - known if key[1] not in facts.undelivered}
    if not facts.broker_deaths:
        yield from _finding("lost: an expired message is neither a contact nor parked", gone)
    unexpired = facts.undelivered - {message_id for _, message_id in facts.expiring}
    yield from _finding("given up by the broker: a message that never expires", unexpired)
    others = {code: n for code, n in facts.parked.items() if code not in ("invalid_json", "undelivered")}
    if others:
        yield f"parked without a reason of its sender: {others}"
    if facts.dead:
        yield f"lost: {facts.dead} messages are in contacts.dead"


def _nothing_doubled(facts: Facts) -> Iterator[str]:
    keys = Counter(contact.key for contact in facts.contacts)
    yield from _finding("doubled: more than one contact of a key", (key for key, number in keys.items() if number > 1))
    yield from _finding("doubled: a contact that no bot sent", set(keys) - facts.sent)
    contact_ids: defaultdict[Key, set[str]] = defaultdict(set)
    for heard in facts.heard:
        contact_ids[heard.key].add(heard.contact_id)
    yield from _finding(
        "doubled: events of more than one contact of a key", (k for k, ids in contact_ids.items() if len(ids) > 1)
    )


def _events_are_changes(facts: Facts) -> Iterator[str]:
    heard, decided = {event.id for event in facts.heard}, {decision.event_id for decision in facts.decisions}
    yield from _finding("event without its change", heard - decided)
    yield from _finding("change without its event", decided - heard)


def _no_gaps(facts: Facts) -> Iterator[str]:
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for decision in facts.decisions:
        sequences[decision.contact_id].append(decision.sequence)
    wrong = (
        contact.id
        for contact in facts.contacts
        if sorted(sequences[contact.id]) != list(range(1, contact.sequence + 1)) or not contact.sequence
    )
    yield from _finding("gap: a contact's changes are not numbered from 1 to its sequence", wrong)


def _in_order(heard: Iterable[Heard]) -> Iterator[str]:
    last: Counter[str] = Counter()
    wrong = []
    for event in heard:
        if event.sequence != last[event.contact_id] + 1:
            wrong.append(event.id)
        last[event.contact_id] = event.sequence
    yield from _finding("out of order: an event was first heard before or after its turn", wrong)


def _within_limits(facts: Facts) -> Iterator[str]:
    yield from _finding("over the limit: (operator, load, limit) at some moment", facts.excesses)
    for operator in facts.operators:
        if operator.load != operator.counted:
            yield f"load: operator {operator.id} has load {operator.load} and {operator.counted} active contacts"
        if operator.counted > operator.limit and not operator.forced:
            yield f"over the limit: operator {operator.id} has {operator.counted} active contacts of {operator.limit}"


def _nothing_left(facts: Facts) -> Iterator[str]:
    if facts.late:
        yield f"late: one full subscriber held up what is not its own: {facts.late}"
    if facts.outbox:
        yield f"unpublished: {facts.outbox} rows are left in the outbox"
    if facts.servable:
        yield f"waiting beside a free place: in {facts.servable} sources"
    if facts.faults_done < facts.faults_planned:
        yield f"blind: {facts.faults_done} of {facts.faults_planned} faults were done"


def _finding(what: str, items: Iterable[object]) -> Iterator[str]:
    examples = sorted(items, key=str)
    if examples:
        yield f"{what}: {len(examples)}, such as {', '.join(map(str, examples[:SHOWN]))}"
