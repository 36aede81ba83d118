"""A transaction's decisions as recorded data: the pool at its start and every step; a replay gives the same picks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from distribution.selection.pool import SMOOTH_WEIGHTED, Operator, Pool, Source
from distribution.selection.strategies import OLDER_FIRST, Pick, pick, take_turn


@dataclass(frozen=True, slots=True)
class PickStep:
    """An operator was picked for one contact, or none was."""

    source_id: int
    last_operator_id: int | None
    pick: Pick


@dataclass(frozen=True, slots=True)
class GivenStep:
    """An admin assigned a contact."""

    source_id: int
    operator_id: int


@dataclass(frozen=True, slots=True)
class FreedStep:
    """An operator's slot became free: a contact was closed or moved away."""

    operator_id: int


Step = PickStep | GivenStep | FreedStep
Roster = dict[str, Any]
"""`operators`: [id, name, is_active, limit]; `sources`: [id, code, strategy, sticky, weights]; each in id order."""


FIRST_RULE, RULE = 1, 2
"""How `smooth_weighted` picks; the first drew lots if no operator was owed anything. Raise it if a pick changes."""


@dataclass(slots=True)
class DecisionRecord:
    """`roster`: what rarely changes; `loads` and `deficits`: at the start; `steps`: all changes since.

    `loads` are in the order of the roster's operators; `deficits` are (source id, operator id, contacts owed).
    """

    roster: Roster
    loads: list[int]
    deficits: list[tuple[int, int, float]]
    steps: list[Step] = field(default_factory=list)
    rule: int = RULE

    def to_data(self) -> dict[str, Any]:
        """All but the roster as JSON data; the roster is stored separately, since many records share it."""
        steps = [_step_to_data(step) for step in self.steps]
        data: dict[str, Any] = {"loads": self.loads, "steps": steps, "rule": self.rule}
        return data | {"deficits": self.deficits} if self.deficits else data

    @classmethod
    def from_data(cls, roster: Roster, data: dict[str, Any]) -> "DecisionRecord":
        """The inverse of `to_data`."""
        deficits = [(source_id, operator_id, owed) for source_id, operator_id, owed in data.get("deficits", ())]
        steps = [_step_from_data(step) for step in data["steps"]]
        return cls(roster, data["loads"], deficits, steps, data.get("rule", FIRST_RULE))

    @classmethod
    def of_source(cls, source_id: int, roster: Roster, data: dict[str, Any]) -> "DecisionRecord":
        """The record of one source: its operators, and all steps; `roster` is the whole one or the source's."""
        [source] = [source for source in roster["sources"] if source[0] == source_id]
        of_source = {operator_id for operator_id, _ in source[4]}
        operators = [operator for operator in roster["operators"] if operator[0] in of_source]
        ids = numbers(data[OPERATORS]) if OPERATORS in data else [operator[0] for operator in roster["operators"]]
        load_of = dict(zip(ids, data["loads"], strict=True))
        loads = [load_of[operator[0]] for operator in operators]
        deficits = [owed for owed in data.get("deficits", ()) if owed[0] == source_id]
        narrow = data | {"loads": loads, "deficits": deficits}
        return cls.from_data({"operators": operators, "sources": [source]}, narrow)


PICK_LENGTH = 5
OPERATORS = "operators"
"""The key, in a record whose roster is stored by source, of the ids of all operators, as `gaps`."""


def by_source(roster: Roster) -> dict[int, Roster]:
    """The roster of each source alone, by its id."""
    operators = {operator[0]: operator for operator in roster["operators"]}
    return {
        source[0]: {"operators": [operators[operator_id] for operator_id, _ in source[4]], "sources": [source]}
        for source in roster["sources"]
    }


def gaps(ids: list[int]) -> list[int]:
    """Increasing numbers as their differences, beginning with the first number itself: short if they are dense."""
    return [later - earlier for earlier, later in pairwise([0, *ids])]


def numbers(of_gaps: list[int]) -> list[int]:
    """The inverse of `gaps`."""
    return list(accumulate(of_gaps))


def begin(pool: Pool) -> DecisionRecord:
    """A record that starts from the pool as it is now."""
    operators = sorted(pool.operators.values(), key=lambda o: o.id)
    roster: Roster = {
        "operators": [[o.id, o.name, o.is_active, o.max_active_contacts] for o in operators],
        "sources": [
            [s.id, s.code, s.strategy, s.sticky, [list(w) for w in s.weights]]
            for s in sorted(pool.sources.values(), key=lambda s: s.id)
        ],
    }
    owed = [(source_id, operator_id, deficit) for (source_id, operator_id), deficit in pool.deficits.items()]
    return DecisionRecord(roster, [o.load for o in operators], sorted(owed))


def apply(pool: Pool, step: Step) -> None:
    """Change the pool by one step; parts that concern sources or operators that the pool lacks are ignored."""
    match step:
        case PickStep(source_id, _, Pick(operator_id=int(operator_id))) | GivenStep(source_id, operator_id):
            if source_id in pool.sources:
                take_turn(pool, source_id, operator_id)
            if operator_id in pool.operators:
                pool.change_load(operator_id, 1)
        case FreedStep(operator_id) if operator_id in pool.operators:
            pool.change_load(operator_id, -1)
        case _:
            pass


def pool_at_start(record: DecisionRecord) -> Pool:
    """The pool before the first step."""
    operators = [
        Operator(id_, name, is_active, limit, load)
        for (id_, name, is_active, limit), load in zip(record.roster["operators"], record.loads, strict=True)
    ]
    sources = [
        Source(id_, code, strategy, sticky, tuple((o, w) for o, w in weights))
        for id_, code, strategy, sticky, weights in record.roster["sources"]
    ]
    return Pool(operators, sources, {(s, o): owed for s, o, owed in record.deficits})


def picked_again(record: DecisionRecord, source_id: int) -> Iterator[tuple[int, Pick, Pick]]:
    """Repeat each pick for a source from the recorded data alone; yields (position, recorded pick, repeated pick).

    Nothing if a release picked by a rule of its own.
    """
    if record.rule != RULE and any(source[2] == SMOOTH_WEIGHTED for source in record.roster["sources"]):
        return
    pool = pool_at_start(record)
    for position, step in enumerate(record.steps):
        if isinstance(step, PickStep) and step.source_id == source_id and step.pick.reason != OLDER_FIRST:
            yield position, step.pick, pick(pool, source_id, step.pick.draw or 0.0, step.last_operator_id)
        apply(pool, step)


def source_at(data: dict[str, Any], position: int) -> int | None:
    """The source of the pick at a step of recorded data; None if the step is not a pick."""
    step = data["steps"][position]
    return step[0] if len(step) == PICK_LENGTH else None


def _step_to_data(step: Step) -> list[Any]:
    match step:
        case PickStep(source_id, last, Pick(operator_id, reason, draw)):
            return [source_id, operator_id, reason, draw, last]
        case GivenStep(source_id, operator_id):
            return [source_id, operator_id]
        case FreedStep(operator_id):
            return [operator_id]


def _step_from_data(data: list[Any]) -> Step:
    match data:
        case [operator_id]:
            return FreedStep(operator_id)
        case [source_id, operator_id]:
            return GivenStep(source_id, operator_id)
        case [source_id, operator_id, reason, draw, last]:
            return PickStep(source_id, last, Pick(operator_id, reason, draw))
    raise ValueError(f"not a step: {data!r}")
