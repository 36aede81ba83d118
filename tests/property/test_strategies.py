"""What each strategy promises in the long run."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from distribution.selection.decision_record import PickStep, apply
from distribution.selection.pool import LEAST_LOADED, SMOOTH_WEIGHTED, STICKY, Operator, Pool, Source
from distribution.selection.strategies import draw_from, pick

ROOM = 1_000_000
weightings = st.lists(st.integers(1, 10_000), min_size=1, max_size=60)


def pool_of(strategy: str, weights: list[int], limits: list[int] | None = None, *, sticky: bool = False) -> Pool:
    """One source and an operator per weight."""
    limits = limits or [ROOM] * len(weights)
    operators = [Operator(i, f"operator {i}", True, limit, 0) for i, limit in enumerate(limits, 1)]
    source = Source(1, "web", strategy, sticky, tuple(enumerate(weights, 1)))
    return Pool(operators, [source])


def take(pool: Pool, random: Random, last: int | None = None) -> int | None:
    """Pick and apply; returns who got it."""
    chosen = pick(pool, 1, draw_from(random), last)
    apply(pool, PickStep(1, last, chosen))
    return chosen.operator_id


@settings(max_examples=100, deadline=None)
@given(weightings, st.integers(0, 2**32))
def test_smooth_weighted_is_never_a_whole_contact_away(weights: list[int], seed: int) -> None:
    """After every contact each operator is less than one contact away from its exact share."""
    pool, random = pool_of(SMOOTH_WEIGHTED, weights), Random(seed)
    total = sum(weights)
    for contacts in range(1, 200):
        take(pool, random)
        for operator in pool.operators.values():
            assert abs(operator.load - contacts * weights[operator.id - 1] / total) < 1 + 1e-6


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=20), st.integers(0, 2**32))
def test_who_comes_back_is_not_flooded(weights: list[int], seed: int) -> None:
    """An operator that was away for long gets about its share of the next contacts, not what it missed."""
    pool, random = pool_of(SMOOTH_WEIGHTED, weights), Random(seed)
    away = pool.operators[1]
    pool.change_load(1, ROOM)
    for _ in range(300):
        take(pool, random)
    pool.change_load(1, -ROOM)
    before, share = away.load, weights[0] / sum(weights)
    for _ in range(50):
        take(pool, random)
    assert away.load - before <= 50 * share + 3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=15), st.integers(0, 2**32))
def test_least_loaded_leaves_no_lower_ratio_standing(operators: list[tuple[int, int]], seed: int) -> None:
    """Whoever is picked had the lowest load to limit; nobody eligible had a lower one."""
    weights, limits = [w for w, _ in operators], [limit for _, limit in operators]
    pool, random = pool_of(LEAST_LOADED, weights, limits), Random(seed)
    for _ in range(sum(limits)):
        ratios = {o.id: o.load / o.max_active_contacts for o, _ in pool.eligible(1)}
        chosen = take(pool, random)
        assert chosen is not None
        assert ratios[chosen] == min(ratios.values())
    assert take(pool, random) is None


def test_least_loaded_breaks_ties_by_weight() -> None:
    """Among equally loaded operators the draw decides in proportion to weight."""
    random = Random(7)
    first = [take(pool_of(LEAST_LOADED, [1, 3]), random) for _ in range(4_000)]
    assert 2_850 < first.count(2) < 3_150


@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.integers(0, 2**32), st.booleans())
def test_sticky_goes_back_while_there_is_a_place(weights: list[int], seed: int, full: bool) -> None:
    """A lead's next contact goes to its last operator if eligible, else to anybody who is."""
    pool, random = pool_of(SMOOTH_WEIGHTED, weights, [1] * len(weights), sticky=True), Random(seed)
    if full:
        pool.change_load(1, 1)
    chosen = pick(pool, 1, draw_from(random), last_operator_id=1)
    assert (chosen.operator_id == 1) is not full
    assert (chosen.reason == STICKY) is not full
