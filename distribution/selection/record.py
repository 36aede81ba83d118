"""A transaction's decisions as kept data: the pool at its start and every step after; replayed, it answers the same."""

from dataclasses import dataclass, field
from typing import Any

from distribution.selection.pool import Operator, Pool, Source
from distribution.selection.strategies import OLDER_FIRST, Pick, pick, take_turn


@dataclass(frozen=True, slots=True)
class PickStep:
    """One contact decided: what was asked and who got it."""

    source_id: int
    last_operator_id: int | None
    pick: Pick


@dataclass(frozen=True, slots=True)
class GivenStep:
    """A contact given by hand."""

    source_id: int
    operator_id: int


@dataclass(frozen=True, slots=True)
class FreedStep:
    """A place that became free: a close, a contact moved away."""

    operator_id: int


Step = PickStep | GivenStep | FreedStep


@dataclass(slots=True)
class Record:
    """`roster`: what changes rarely; `loads` and `deficits`: at the start; `steps`: what followed.

    `loads` are in the order of the roster's operators; `deficits` are (source id, operator id, contacts owed).
    """

    roster: dict[str, Any]
    loads: list[int]
    deficits: list[tuple[int, int, float]]
    steps: list[Step] = field(default_factory=list)

    def to_data(self) -> dict[str, Any]:
        """All but the roster as JSON data; the roster is kept apart, since many records share it."""
        data: dict[str, Any] = {"loads": self.loads, "steps": [_step_to_data(step) for step in self.steps]}
        return data | {"deficits": self.deficits} if self.deficits else data

    @classmethod
    def from_data(cls, roster: dict[str, Any], data: dict[str, Any]) -> "Record":
        """The inverse of `to_data`."""
        deficits = [(source_id, operator_id, owed) for source_id, operator_id, owed in data.get("deficits", ())]
        return cls(roster, data["loads"], deficits, [_step_from_data(step) for step in data["steps"]])


def begin(pool: Pool) -> Record:
    """A record that starts from the pool as it is now."""
    operators = sorted(pool.operators.values(), key=lambda o: o.id)
    roster = {
        "operators": [[o.id, o.name, o.is_active, o.max_active_contacts] for o in operators],
        "sources": [
            [s.id, s.code, s.strategy, s.sticky, [list(w) for w in s.weights]]
            for s in sorted(pool.sources.values(), key=lambda s: s.id)
        ],
    }
    owed = [(source_id, operator_id, deficit) for (source_id, operator_id), deficit in pool.deficits.items()]
    return Record(roster, [o.load for o in operators], sorted(owed))


def apply(pool: Pool, step: Step) -> None:
    """Change the pool by one step."""
    match step:
        case PickStep(source_id, _, Pick(operator_id=int(operator_id))) | GivenStep(source_id, operator_id):
            take_turn(pool, source_id, operator_id)
            pool.change_load(operator_id, 1)
        case FreedStep(operator_id):
            pool.change_load(operator_id, -1)
        case PickStep():
            pass


def pool_before(record: Record, position: int) -> Pool:
    """The pool as it stood when the step at `position` was taken."""
    operators = [
        Operator(id_, name, is_active, limit, load)
        for (id_, name, is_active, limit), load in zip(record.roster["operators"], record.loads, strict=True)
    ]
    sources = [
        Source(id_, code, strategy, sticky, tuple((o, w) for o, w in weights))
        for id_, code, strategy, sticky, weights in record.roster["sources"]
    ]
    pool = Pool(operators, sources, {(s, o): owed for s, o, owed in record.deficits})
    for step in record.steps[:position]:
        apply(pool, step)
    return pool


def picked_again(record: Record, position: int) -> Pick:
    """The pick at `position`, made again from the kept data alone."""
    step = record.steps[position]
    if not isinstance(step, PickStep) or step.pick.reason == OLDER_FIRST:
        raise ValueError(f"nothing was picked at step {position}")
    return pick(pool_before(record, position), step.source_id, step.pick.draw or 0.0, step.last_operator_id)


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
