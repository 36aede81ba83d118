"""What operators of a `smooth_weighted` source are owed after somebody has left it: together nothing, as before."""

import math
from collections.abc import Mapping

MOST = 0.999
"""So much anybody is owed, or has had too much, at most: a whole contact is never reached."""
ROUNDED = 1e-6
"""A sum this near to 0 is 0: it comes from rounding alone."""


def shared_out(deficits: Mapping[int, float], weights: Mapping[int, int]) -> dict[int, float]:
    """Deficits by operator id that add up to 0; `weights` has the same keys.

    What is missing to 0 is what those who left took along. It is shared out by weight, as though they had never been
    there, as far as that leaves nobody a whole contact away; who has weight 0 gets of what nobody else can take.
    """
    if abs(sum(deficits.values())) <= ROUNDED:
        return dict(deficits)
    found = {key: max(-MOST, min(MOST, owed)) for key, owed in deficits.items()}
    _spread(found, {key: weight for key, weight in weights.items() if weight})
    _spread(found, {key: 1 for key, weight in weights.items() if not weight})
    return found


def _spread(deficits: dict[int, float], weights: dict[int, int]) -> None:
    """Bring the sum of all towards 0 by what those with a weight here can take."""
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
