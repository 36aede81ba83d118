"""Deficits of a `smooth_weighted` source after an operator has left it: they still add up to 0."""

import math
from collections.abc import Mapping

MOST = 0.999
"""The largest deficit or surplus of an operator: below one whole contact."""
ROUNDED = 1e-6
"""A sum this near to 0 is 0: it comes from rounding alone."""


def shared_out(deficits: Mapping[int, float], weights: Mapping[int, int]) -> dict[int, float]:
    """Deficits by operator id that add up to 0; `weights` has the same keys.

    The difference to 0 is what the operators who left were owed. It is distributed by weight, as if they had never been
    there, as far as no deficit reaches a whole contact; operators of weight 0 get only the rest.
    """
    if abs(sum(deficits.values())) <= ROUNDED:
        return dict(deficits)
    found = {key: max(-MOST, min(MOST, owed)) for key, owed in deficits.items()}
    _spread(found, {key: weight for key, weight in weights.items() if weight})
    _spread(found, {key: 1 for key, weight in weights.items() if not weight})
    return found


def _spread(deficits: dict[int, float], weights: dict[int, int]) -> None:
    """Move the sum of all towards 0, within the limits of the operators that have a weight here."""
    while weights and (missing := -sum(deficits.values())):
        most, total = math.copysign(MOST, missing), sum(weights.values())
        new = {key: deficits[key] + missing * weight / total for key, weight in weights.items()}
        full = [key for key, owed in new.items() if owed / most >= 1]
        if not full:
            deficits.update(new)
            return
        for key in full:
            deficits[key] = most
            del weights[key]
