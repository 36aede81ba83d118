"""Picks one of the eligible operators. Each strategy's docstring states what it guarantees."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from random import Random

from distribution.selection.pool import LEAST_LOADED, SMOOTH_WEIGHTED, STICKY, WEIGHTED_RANDOM, Operator, Pool

NOBODY_ELIGIBLE = "nobody_eligible"
OLDER_FIRST = "older_contacts_first"
DRAW_DIGITS = 9
SCALE: int = 10**DRAW_DIGITS
EPSILON = 1e-9
"""Two deadlines this close are a tie: they differ by rounding alone."""

Eligible = Sequence[tuple[Operator, int]]


@dataclass(frozen=True, slots=True)
class Pick:
    """The operator who gets the contact (None: it waits), the reason, and the random draw if one decided."""

    operator_id: int | None
    reason: str
    draw: float | None = None


def draw_from(random: Random) -> float:
    """A number in [0, 1), short enough to check a decision by hand."""
    return random.randrange(SCALE) / SCALE


def pick(pool: Pool, source_id: int, draw: float, last_operator_id: int | None = None) -> Pick:
    """Pick an operator without changing the pool; the one of the lead's last contact counts if the source is sticky."""
    source, eligible = pool.sources[source_id], pool.eligible(source_id)
    if not eligible:
        return Pick(None, NOBODY_ELIGIBLE)
    if source.sticky and last_operator_id is not None and any(o.id == last_operator_id for o, _ in eligible):
        return Pick(last_operator_id, STICKY)
    best = STRATEGIES[source.strategy](pool, source_id, eligible)
    if len(best) == 1 and source.strategy != WEIGHTED_RANDOM:
        return Pick(best[0][0].id, source.strategy)
    cumulative = pool.cumulative(source_id) if best is eligible else list(accumulate(weight for _, weight in best))
    return Pick(drawn(best, cumulative, draw), source.strategy, draw)


def drawn(eligible: Eligible, cumulative: Sequence[int], draw: float) -> int:
    """The operator in whose interval of the cumulative weights, in id order, `draw` times the total falls.

    Uses integers, so that a draw on a border falls where a calculation by hand says.
    """
    return eligible[bisect_right(cumulative, round(draw * SCALE) * cumulative[-1] // SCALE)][0].id


def weighted_random(_pool: Pool, _source_id: int, eligible: Eligible) -> Eligible:
    """`weighted_random`: the draw alone decides, in proportion to weight."""
    return eligible


def least_loaded(_pool: Pool, _source_id: int, eligible: Eligible) -> Eligible:
    """`least_loaded`: the lowest load / max_active_contacts wins; ties are drawn in proportion to weight."""
    ratios = [operator.load / operator.max_active_contacts for operator, _ in eligible]
    lowest = min(ratios)
    return [pair for pair, ratio in zip(eligible, ratios, strict=True) if ratio == lowest]


def smooth_weighted(pool: Pool, source_id: int, eligible: Eligible) -> Eligible:
    """`smooth_weighted`: while the eligible stay the same, each is less than one contact away from its exact share.

    Each deficit grows by the operator's share; of those above zero, the one whose deficit would reach 1 first is picked
    (earliest deadline first: Tijdeman, The chairman assignment problem, 1980). If operators who are not eligible are
    owed a contact or more, it can be that none is above zero: then all eligible operators are compared.
    """
    total, deficits = pool.cumulative(source_id)[-1], pool.deficits
    deadlines, due = [], []
    for (_, weight), (key, share) in zip(eligible, pool.shares(source_id).items(), strict=True):
        grown = deficits[key] + share
        deadlines.append((1 - grown) * total / weight)
        due.append(grown > EPSILON)
    if not any(due):
        due = [True] * len(deadlines)
    first = min(compress(deadlines, due))
    return [
        pair
        for pair, deadline, is_due in zip(eligible, deadlines, due, strict=True)
        if is_due and deadline <= first + EPSILON
    ]


STRATEGIES: dict[str, Callable[[Pool, int, Eligible], Eligible]] = {
    WEIGHTED_RANDOM: weighted_random,
    SMOOTH_WEIGHTED: smooth_weighted,
    LEAST_LOADED: least_loaded,
}


def take_turn(pool: Pool, source_id: int, operator_id: int) -> None:
    """Update the deficits of a `smooth_weighted` source for a contact that an eligible operator gets in any way.

    Call it before the load changes: every eligible operator gains its share, and the one who gets the contact loses 1.
    """
    if pool.sources[source_id].strategy != SMOOTH_WEIGHTED:
        return
    chosen = source_id, operator_id
    if not pool.eligible(source_id) or chosen not in (shares := pool.shares(source_id)):
        return
    deficits = pool.deficits
    owed = deficits[chosen]
    for key, share in shares.items():
        deficits[key] += share
    deficits[chosen] = owed + (shares[chosen] - 1)
