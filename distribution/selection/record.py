"""A transaction's decisions as kept data: the pool at its start and every step after; replayed, it answers the same."""

from dataclasses import dataclass, field
from typing import Any

from distribution.selection.pool import Operator, Pool, Source
from distribution.selection.strategies import Pick


@dataclass(frozen=True, slots=True)
class PickStep:
    """One contact decided: what was asked and who got it."""

    source_id: int
    last_operator_id: int | None
    pick: Pick


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A place taken (+1) or given back (-1) without a choice: a close, a move by hand."""

    operator_id: int
    by: int


Step = PickStep | LoadStep


@dataclass(slots=True)
class Record:
    """`roster`: what changes rarely; `loads`: at the start, in the roster's order; `steps`: what followed."""

    roster: dict[str, Any]
    loads: list[int]
    steps: list[Step] = field(default_factory=list)

    def to_data(self) -> dict[str, Any]:
        """Loads and steps as JSON data; the roster is kept apart, since many records share it."""
        return {"loads": self.loads, "steps": [_step_to_data(step) for step in self.steps]}

    @classmethod
    def from_data(cls, roster: dict[str, Any], data: dict[str, Any]) -> "Record":
        """The inverse of `to_data`."""
        return cls(roster, data["loads"], [_step_from_data(step) for step in data["steps"]])


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
    return Record(roster, [o.load for o in operators])


def apply(pool: Pool, step: Step) -> None:
    """Change the pool by one step."""
    match step:
        case PickStep(pick=Pick(operator_id=int(operator_id))):
            pool.change_load(operator_id, 1)
        case LoadStep(operator_id, by):
            pool.change_load(operator_id, by)
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
    pool = Pool(operators, sources)
    for step in record.steps[:position]:
        apply(pool, step)
    return pool


def _step_to_data(step: Step) -> list[Any]:
    match step:
        case PickStep(source_id, last, Pick(operator_id, reason, draw)):
            return [source_id, operator_id, reason, draw, last]
        case LoadStep(operator_id, by):
            return [operator_id, by]


def _step_from_data(data: list[Any]) -> Step:
    if len(data) == 2:
        return LoadStep(*data)
    source_id, operator_id, reason, draw, last = data
    return PickStep(source_id, last, Pick(operator_id, reason, draw))
