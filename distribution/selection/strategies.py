"""How one of the eligible operators is picked."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from distribution.selection.pool import STICKY, WEIGHTED_RANDOM, Pool

STRATEGIES = (WEIGHTED_RANDOM,)
NOBODY = "nobody_eligible"
OLDER_FIRST = "older_contacts_first"
DRAW_DIGITS = 9
SCALE: int = 10**DRAW_DIGITS


@dataclass(frozen=True, slots=True)
class Pick:
    """Who gets the contact (None: it waits), why, and the draw that decided where chance did."""

    operator_id: int | None
    reason: str
    draw: float | None = None


def draw_from(random: Random) -> float:
    """A number from 0 to below 1, short enough to check a decision by hand."""
    return random.randrange(SCALE) / SCALE


def pick(pool: Pool, source_id: int, draw: float, last_operator_id: int | None = None) -> Pick:
    """Choose for one contact of a source; the pool is not changed.

    `last_operator_id` is who had the lead's last contact; it counts where the source is sticky.
    """
    source, eligible = pool.sources[source_id], pool.eligible(source_id)
    if not eligible:
        return Pick(None, NOBODY)
    if source.sticky and last_operator_id is not None and any(o.id == last_operator_id for o, _ in eligible):
        return Pick(last_operator_id, STICKY)
    return Pick(weighted(eligible_weights(pool, source_id), draw), source.strategy, draw)


def eligible_weights(pool: Pool, source_id: int) -> list[tuple[int, int]]:
    """(operator id, weight) of the eligible, in id order."""
    return [(operator.id, weight) for operator, weight in pool.eligible(source_id)]


def weighted(weights: list[tuple[int, int]], draw: float) -> int:
    """The operator in whose stretch of the cumulative weights, in id order, `draw` times the total falls.

    In whole numbers, so that a draw on a border falls where a reader's own sum says.
    """
    cumulative = list(accumulate(weight for _, weight in weights))
    return weights[bisect_right(cumulative, round(draw * SCALE) * cumulative[-1] // SCALE)][0]
