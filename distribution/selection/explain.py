"""A decision in data and in one sentence."""

from typing import Any

from distribution.selection.pool import STICKY, LeftOut, Operator, Pool
from distribution.selection.record import PickStep
from distribution.selection.strategies import DRAW_DIGITS, OLDER_FIRST


def decision_data(pool: Pool, step: PickStep) -> dict[str, Any]:
    """Candidates and left out, as the pool stood before the step."""
    source = pool.sources[step.source_id]
    return {
        "strategy": source.strategy,
        "sticky": source.sticky,
        "draw": step.pick.draw,
        "operator_id": step.pick.operator_id,
        "last_operator_id": step.last_operator_id,
        "candidates": [_candidate(operator, weight) for operator, weight in pool.eligible(step.source_id)],
        "left_out": [
            {"operator_id": o, "name": pool.operators[o].name, "reason": reason.value}
            for o, weight in source.weights
            if (reason := pool.left_out(o, weight)) is not None
        ],
    }


def sentence(pool: Pool, step: PickStep) -> str:
    """Why the contact went where it went, for people."""
    return " ".join(filter(None, (_chosen(pool, step), _left_out(pool, step))))


def _candidate(operator: Operator, weight: int) -> dict[str, Any]:
    return {
        "operator_id": operator.id,
        "name": operator.name,
        "weight": weight,
        "load": operator.load,
        "max_active_contacts": operator.max_active_contacts,
    }


def _chosen(pool: Pool, step: PickStep) -> str:
    if step.pick.reason == OLDER_FIRST:
        return "Waiting: older contacts of the source are first."
    if step.pick.operator_id is None:
        known = pool.sources[step.source_id].weights
        return "Waiting: nobody is eligible." if known else "Waiting: the source has no operators."
    operator = pool.operators[step.pick.operator_id]
    weights = {o.id: weight for o, weight in pool.eligible(step.source_id)}
    taken = f"{operator.load} of {operator.max_active_contacts} places taken"
    if step.pick.reason == STICKY:
        return f"{operator.name}: had the lead's last contact, {taken}."
    drawn = "" if step.pick.draw is None else f"; drawn {_in_digits(step.pick.draw)}"
    return f"{operator.name}: weight {weights[operator.id]} of {sum(weights.values())}, {taken}{drawn}."


def _in_digits(draw: float) -> str:
    return f"{draw:.{DRAW_DIGITS}f}".rstrip("0").rstrip(".")


def _left_out(pool: Pool, step: PickStep) -> str:
    words = []
    for operator_id, weight in pool.sources[step.source_id].weights:
        operator = pool.operators[operator_id]
        match pool.left_out(operator_id, weight):
            case LeftOut.INACTIVE:
                words.append(f"{operator.name} (inactive)")
            case LeftOut.ZERO_WEIGHT:
                words.append(f"{operator.name} (weight 0)")
            case LeftOut.AT_LIMIT:
                words.append(f"{operator.name} (at limit {operator.max_active_contacts})")
            case None:
                pass
    return f"Left out: {', '.join(words)}." if words else ""
