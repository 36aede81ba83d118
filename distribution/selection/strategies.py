"""How one of the eligible operators is picked. Each strategy's promise stands beside it."""

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
"""Two deadlines this near are a tie: they differ by rounding alone."""

Eligible = Sequence[tuple[Operator, int]]


@dataclass(frozen=True, slots=True)
class Pick:
    """The operator who gets the contact (None: it waits), the reason, and the random draw if one decided."""

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
        return Pick(None, NOBODY_ELIGIBLE)
    if source.sticky and last_operator_id is not None and any(o.id == last_operator_id for o, _ in eligible):
        return Pick(last_operator_id, STICKY)
    best = STRATEGIES[source.strategy](pool, source_id, eligible)
    if len(best) == 1 and source.strategy != WEIGHTED_RANDOM:
        return Pick(best[0][0].id, source.strategy)
    cumulative = pool.cumulative(source_id) if best is eligible else list(accumulate(weight for _, weight in best))
    return Pick(drawn(best, cumulative, draw), source.strategy, draw)


def drawn(eligible: Eligible, cumulative: Sequence[int], draw: float) -> int:
    """The operator in whose stretch of the cumulative weights, in id order, `draw` times the total falls.

    In whole numbers, so that a draw on a border falls where a reader's own sum says.
    """
    return eligible[bisect_right(cumulative, round(draw * SCALE) * cumulative[-1] // SCALE)][0].id


def weighted_random(_pool: Pool, _source_id: int, eligible: Eligible) -> Eligible:
    """`weighted_random`: the draw alone decides, in proportion to weight."""
    return eligible


def least_loaded(_pool: Pool, _source_id: int, eligible: Eligible) -> Eligible:
    """`least_loaded`: the lowest load / max_active_contacts wins; ties are drawn in proportion to weight."""
    ratios = [operator.load / operator.max_active_contacts for operator, _ in eligible]
    lowest = min(ratios)
    return [each for each, ratio in zip(eligible, ratios, strict=True) if ratio == lowest]


def smooth_weighted(pool: Pool, source_id: int, eligible: Eligible) -> Eligible:
    """`smooth_weighted`: no one is ever a whole contact away from the exact share while the eligible stay the same.

    Each one's deficit has grown by its share; of those above zero the one goes first whose deficit would reach 1
    first (earliest deadline first: Tijdeman, The chairman assignment problem, 1980). It can be that none is above zero,
    if operators who are not eligible are owed a contact or more: then all of the eligible are compared.
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
        each
        for each, deadline, is_due in zip(eligible, deadlines, due, strict=True)
        if is_due and deadline <= first + EPSILON
    ]


STRATEGIES: dict[str, Callable[[Pool, int, Eligible], Eligible]] = {
    WEIGHTED_RANDOM: weighted_random,
    SMOOTH_WEIGHTED: smooth_weighted,
    LEAST_LOADED: least_loaded,
}


def take_turn(pool: Pool, source_id: int, operator_id: int) -> None:
    """Count a contact of a `smooth_weighted` source that goes to an eligible operator, however it was chosen.

    To be called before the load changes: who is eligible gains its share, and the one who gets the contact loses 1.
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
