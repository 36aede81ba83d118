"""Over many contacts each operator gets the share that its weight promises."""

from collections import Counter
from random import Random

import pytest

from distribution.selection.pool import WEIGHTED_RANDOM, Operator, Pool, Source
from distribution.selection.strategies import draw_from, pick

# The chi-square distribution's critical values at 0.001, by degrees of freedom (any table has them).
CRITICAL = {1: 10.828, 2: 13.816, 3: 16.266, 4: 18.467, 5: 20.515, 6: 22.458, 7: 24.322, 8: 26.124, 9: 27.877}


def chi_square(counts: Counter[int], weights: dict[int, int]) -> float:
    """How far the counts are from the shares."""
    picks, total = counts.total(), sum(weights.values())
    expected = {o: picks * weight / total for o, weight in weights.items() if weight}
    return sum((counts[o] - e) ** 2 / e for o, e in expected.items())


def picked(weights: dict[int, int], picks: int, random: Random) -> Counter[int]:
    """Who got how many contacts, with room for all of them."""
    operators = [Operator(o, f"o{o}", True, picks, 0) for o in weights]
    pool = Pool(operators, [Source(1, "bot", WEIGHTED_RANDOM, False, tuple(sorted(weights.items())))])
    counts: Counter[int] = Counter()
    for _ in range(picks):
        operator_id = pick(pool, 1, draw_from(random)).operator_id
        assert operator_id is not None
        pool.change_load(operator_id, 1)
        counts[operator_id] += 1
    return counts


@pytest.mark.parametrize(
    ("weights", "picks"),
    [
        ([1, 2, 7], 20_000),
        ([1, 1], 10_000),
        ([30, 50, 20], 10_000),
        ([1, 0, 3], 10_000),
        ([10_000, 9_999], 10_000),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 20_000),
        ([100, 1, 100], 20_000),
    ],
)
def test_shares_follow_the_weights(weights: list[int], picks: int, random: Random) -> None:
    """The counts pass the chi-square test at 0.001, and weight 0 gets nothing."""
    of = dict(enumerate(weights, 1))
    counts = picked(of, picks, random)
    drawn = [o for o, weight in of.items() if weight]
    assert set(counts) <= set(drawn)
    assert chi_square(counts, of) < CRITICAL[len(drawn) - 1]


def test_the_test_itself_would_notice_a_wrong_share(random: Random) -> None:
    """Contacts given by 1:2:6 do not pass for 1:2:7, so that passing says something."""
    assert chi_square(picked({1: 1, 2: 2, 3: 6}, 20_000, random), {1: 1, 2: 2, 3: 7}) > CRITICAL[2]


def test_who_is_full_leaves_the_others_their_proportion(random: Random) -> None:
    """After the heaviest is full, the rest share by their weights among themselves."""
    operators = [Operator(1, "a", True, 9000, 0), Operator(2, "b", True, 9000, 0), Operator(3, "c", True, 5, 5)]
    pool = Pool(operators, [Source(1, "bot", WEIGHTED_RANDOM, False, ((1, 1), (2, 3), (3, 96)))])
    counts = Counter(pick(pool, 1, draw_from(random)).operator_id or 0 for _ in range(8000))
    assert set(counts) == {1, 2}
    assert chi_square(counts, {1: 1, 2: 3}) < CRITICAL[1]
