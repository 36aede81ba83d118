"""Adjusts the deficits of a `smooth_weighted` source after an operator has left it, so that they still add up to 0."""

import math
from collections.abc import Mapping

MOST = 0.999
"""The largest deficit or surplus of an operator: below one whole contact."""
ROUNDED = 1e-6
"""A sum this near to 0 counts as 0: it comes from rounding alone."""


def shared_out(deficits: Mapping[int, float], weights: Mapping[int, int]) -> dict[int, float]:
    """Deficits by operator id that add up to 0; `weights` has the same keys.

    The difference from 0 is what the operators who left were owed. It is distributed by weight, as if they had never
    been there, as long as no deficit reaches a whole contact; operators of weight 0 get only the remainder.
    """
    if abs(sum(deficits.values())) <= ROUNDED:
        return dict(deficits)
    capped = {key: max(-MOST, min(MOST, owed)) for key, owed in deficits.items()}
    _spread(capped, {key: weight for key, weight in weights.items() if weight})
    _spread(capped, {key: 1 for key, weight in weights.items() if not weight})
    return capped


def _spread(deficits: dict[int, float], weights: dict[int, int]) -> None:
    """Move the sum of `deficits` towards 0 by operators in `weights`; who reaches MOST is removed from `weights`."""
    while weights and (missing := -sum(deficits.values())):
        limit, total = math.copysign(MOST, missing), sum(weights.values())
        new = {key: deficits[key] + missing * weight / total for key, weight in weights.items()}
        at_limit = [key for key, owed in new.items() if owed / limit >= 1]
        if not at_limit:
            deficits.update(new)
            return
        for key in at_limit:
            deficits[key] = limit
            del weights[key]
