"""A decision in data and in one sentence."""

from typing import Any

from distribution.selection.pool import LEAST_LOADED, SMOOTH_WEIGHTED, STICKY, LeftOut, Operator, Pool
from distribution.selection.record import PickStep
from distribution.selection.strategies import DRAW_DIGITS, OLDER_FIRST

COUNTED = 1000
"""So many older contacts are counted out; beyond that the number tells nobody anything."""


def decision_data(pool: Pool, step: PickStep) -> dict[str, Any]:
    """Candidates and left out, as the pool stood before the step."""
    source = pool.sources[step.source_id]
    return {
        "strategy": source.strategy,
        "sticky": source.sticky,
        "draw": step.pick.draw,
        "operator_id": step.pick.operator_id,
        "last_operator_id": step.last_operator_id,
        "candidates": [
            _candidate(pool, source.id, operator, weight) for operator, weight in pool.eligible(step.source_id)
        ],
        "left_out": [
            {"operator_id": o, "name": pool.operators[o].name, "reason": reason.value}
            for o, weight in source.weights
            if (reason := pool.left_out(o, weight)) is not None
        ],
    }


def sentence(pool: Pool, step: PickStep) -> str:
    """Why the contact went where it went, for people."""
    return " ".join(filter(None, (_chosen(pool, step), _left_out(pool, step.source_id))))


def unblocked_by(pool: Pool, source_id: int, older: int) -> str:
    """What would move a waiting contact of the source, with `older` contacts before it; the pool is as it is now."""
    source = pool.sources[source_id]
    before = _older(older)
    if not source.weights:
        return f"{before}Give the source an operator."
    ways = {LeftOut.AT_LIMIT: "a place free at", LeftOut.INACTIVE: "activating", LeftOut.ZERO_WEIGHT: "a weight for"}
    named: dict[LeftOut, list[str]] = {}
    for operator_id, weight in source.weights:
        if (reason := pool.left_out(operator_id, weight)) is not None:
            named.setdefault(reason, []).append(pool.operators[operator_id].name)
    if not named or pool.eligible(source_id):
        return f"{before}It is about to be served."
    parts = [f"{way} {' or '.join(named[reason])}" for reason, way in ways.items() if reason in named]
    return f"{before}Any of these would serve it: {'; '.join(parts)}."


def _older(number: int) -> str:
    if number <= 1:
        return "1 older contact of the source goes first. " if number else ""
    return f"{number if number <= COUNTED else f'More than {COUNTED}'} older contacts of the source go first. "


def _candidate(pool: Pool, source_id: int, operator: Operator, weight: int) -> dict[str, Any]:
    smooth = pool.sources[source_id].strategy == SMOOTH_WEIGHTED
    return {
        "operator_id": operator.id,
        "name": operator.name,
        "weight": weight,
        "load": operator.load,
        "max_active_contacts": operator.max_active_contacts,
    } | ({"deficit": pool.deficit(source_id, operator.id)} if smooth else {})


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
    weighed = f"weight {weights[operator.id]} of {sum(weights.values())}, {taken}{drawn}"
    return f"{operator.name}: {_strategy_words(pool, step, operator.id)}{weighed}."


def _strategy_words(pool: Pool, step: PickStep, operator_id: int) -> str:
    if step.pick.reason == SMOOTH_WEIGHTED:
        return f"due first, owed {pool.deficit(step.source_id, operator_id):.3f} before this contact; "
    return "nobody is less loaded; " if step.pick.reason == LEAST_LOADED else ""


def _in_digits(draw: float) -> str:
    return f"{draw:.{DRAW_DIGITS}f}".rstrip("0").rstrip(".")


def _left_out(pool: Pool, source_id: int) -> str:
    words = []
    for operator_id, weight in pool.sources[source_id].weights:
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
