"""A decision in data and in one sentence."""

from typing import Any

from distribution.selection.decision_record import PickStep
from distribution.selection.pool import LEAST_LOADED, SMOOTH_WEIGHTED, STICKY, Exclusion, Operator, Pool
from distribution.selection.strategies import DRAW_DIGITS, OLDER_FIRST

MAX_LISTED = 200
"""The most entries of each list in the data; a longer list is cut, and its total is given beside it."""
MAX_NAMED = 50
"""The most operators that a sentence names."""
MAX_COUNTED = 1000
"""Older contacts are counted up to this number; beyond it the exact count has no use."""
LEFT_OUT = {
    Exclusion.INACTIVE: "inactive",
    Exclusion.ZERO_WEIGHT: "weight 0",
    Exclusion.AT_LIMIT: "at limit {limit}",
}
WAYS = {
    Exclusion.AT_LIMIT: "a place free at",
    Exclusion.INACTIVE: "activating",
    Exclusion.ZERO_WEIGHT: "a weight for",
}


def decision_data(pool: Pool, step: PickStep) -> dict[str, Any]:
    """The candidates and the operators left out, in the pool as it was before the step, each list in id order."""
    source = pool.sources[step.source_id]
    eligible = pool.eligible(source.id)
    shown = eligible[:MAX_LISTED] + [pair for pair in eligible[MAX_LISTED:] if pair[0].id == step.pick.operator_id]
    left_out = pool.all_left_out(source.id)
    data = {
        "strategy": source.strategy,
        "sticky": source.sticky,
        "draw": step.pick.draw,
        "operator_id": step.pick.operator_id,
        "last_operator_id": step.last_operator_id,
        "candidates": [_candidate(pool, source.id, operator, weight) for operator, weight in shown],
        "left_out": [
            {"operator_id": o.id, "name": o.name, "reason": reason.value} for o, reason in left_out[:MAX_LISTED]
        ],
    }
    if len(shown) < len(eligible):
        data["candidates_total"] = len(eligible)
    if len(left_out) > MAX_LISTED:
        data["left_out_total"] = len(left_out)
    return data


def sentence(pool: Pool, step: PickStep) -> str:
    """Explain a pick in one sentence or two."""
    return " ".join(filter(None, (_chosen(pool, step), _left_out(pool, step.source_id))))


def unblocked_by(pool: Pool, source_id: int, older: int) -> str:
    """What would get a waiting contact of the source an operator; `older`: contacts before it; `pool`: as it is now."""
    source = pool.sources[source_id]
    before = _older_first(older)
    if not source.weights:
        return f"{before}Give the source an operator."
    named: dict[Exclusion, list[str]] = {}
    for operator, reason in pool.all_left_out(source_id):
        named.setdefault(reason, []).append(operator.name)
    if not named or pool.eligible(source_id):
        return f"{before}It is about to be served."
    parts = [f"{way} {' or '.join(_first_names(named[reason]))}" for reason, way in WAYS.items() if reason in named]
    return f"{before}Any of these would serve it: {'; '.join(parts)}."


def _older_first(number: int) -> str:
    if number <= 1:
        return "1 older contact of the source goes first. " if number else ""
    return f"{number if number <= MAX_COUNTED else f'More than {MAX_COUNTED}'} older contacts of the source go first. "


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
        weights = pool.sources[step.source_id].weights
        return "Waiting: nobody is eligible." if weights else "Waiting: the source has no operators."
    operator = pool.operators[step.pick.operator_id]
    places = f"{operator.load} of {operator.max_active_contacts} places taken"
    if step.pick.reason == STICKY:
        return f"{operator.name}: had the lead's last contact, {places}."
    drawn = "" if step.pick.draw is None else f"; drawn {_in_digits(step.pick.draw)}"
    weight = dict(pool.sources[step.source_id].weights)[operator.id]
    details = f"weight {weight} of {pool.cumulative(step.source_id)[-1]}, {places}{drawn}"
    return f"{operator.name}: {_strategy_words(pool, step, operator.id)}{details}."


def _strategy_words(pool: Pool, step: PickStep, operator_id: int) -> str:
    if step.pick.reason == SMOOTH_WEIGHTED:
        return f"due first, owed {pool.deficit(step.source_id, operator_id):.3f} before this contact; "
    return "nobody is less loaded; " if step.pick.reason == LEAST_LOADED else ""


def _in_digits(draw: float) -> str:
    return f"{draw:.{DRAW_DIGITS}f}".rstrip("0").rstrip(".")


def _left_out(pool: Pool, source_id: int) -> str:
    excluded = pool.all_left_out(source_id)
    named = [
        f"{operator.name} ({LEFT_OUT[reason].format(limit=operator.max_active_contacts)})"
        for operator, reason in excluded[:MAX_NAMED]
    ]
    return f"Left out: {', '.join(named + _others_count(len(excluded)))}." if named else ""


def _first_names(names: list[str]) -> list[str]:
    return names[:MAX_NAMED] + _others_count(len(names))


def _others_count(number: int) -> list[str]:
    return [f"{number - MAX_NAMED} others"] if number > MAX_NAMED else []
