"""Who may get a contact and who does."""

from random import Random

import pytest

from distribution.selection.decision_record import FIRST_RULE, RULE, DecisionRecord, PickStep, begin, picked_again
from distribution.selection.pool import SMOOTH_WEIGHTED, STICKY, WEIGHTED_RANDOM, Exclusion, Operator, Pool, Source
from distribution.selection.strategies import NOBODY_ELIGIBLE, Pick, draw_from, pick


def pool_of(*people: tuple[int, bool, int, int], sticky: bool = False) -> Pool:
    """One source; a person is (weight, active, load, limit), numbered from 1."""
    operators = [Operator(i, f"o{i}", active, limit, load) for i, (_, active, load, limit) in enumerate(people, 1)]
    weights = tuple((i, weight) for i, (weight, *_) in enumerate(people, 1))
    return Pool(operators, [Source(1, "bot", WEIGHTED_RANDOM, sticky, weights)])


@pytest.mark.parametrize(
    ("weight", "active", "load", "limit", "reason"),
    [
        (1, True, 0, 1, None),
        (1, True, 1, 1, Exclusion.AT_LIMIT),
        (1, True, 2, 1, Exclusion.AT_LIMIT),
        (1, True, 0, 0, Exclusion.AT_LIMIT),
        (0, True, 0, 1, Exclusion.ZERO_WEIGHT),
        (0, True, 1, 1, Exclusion.ZERO_WEIGHT),
        (1, False, 0, 1, Exclusion.INACTIVE),
        (1, False, 1, 1, Exclusion.INACTIVE),
        (0, False, 0, 1, Exclusion.INACTIVE),
        (0, False, 1, 1, Exclusion.INACTIVE),
    ],
)
def test_the_one_reason_is_the_first_that_holds(
    weight: int, active: bool, load: int, limit: int, reason: Exclusion | None
) -> None:
    """An admin reads one reason why an operator was left out: inactive, then weight 0, then at the limit."""
    pool = pool_of((weight, active, load, limit))
    assert pool.left_out(1, weight) == reason
    assert bool(pool.eligible(1)) == (reason is None)


@pytest.mark.parametrize(
    ("draw", "operator_id"),
    [(0.0, 1), (0.299999999, 1), (0.3, 2), (0.799999999, 2), (0.8, 3), (0.999999999, 3)],
)
def test_a_draw_can_be_checked_by_hand(draw: float, operator_id: int) -> None:
    """Weights 30, 50, 20 in id order: below 0.3 is the first, below 0.8 the second, from there the third."""
    pool = pool_of(*((weight, True, 0, 9) for weight in (30, 50, 20)))
    assert pick(pool, 1, draw) == Pick(operator_id, WEIGHTED_RANDOM, draw)


def test_a_draw_on_a_border_belongs_to_the_next() -> None:
    """A border is exact for every weight, though 0.29 * 100 is a little less than 29 to a computer."""
    for border in range(1, 100):
        pool = pool_of((border, True, 0, 9), (100 - border, True, 0, 9))
        assert pick(pool, 1, border / 100).operator_id == 2, border
        assert pick(pool, 1, border / 100 - 1e-9).operator_id == 1, border


def test_a_draw_is_from_zero_to_below_one_in_nine_digits(random: Random) -> None:
    """A draw as it is kept and shown is the draw that decided: nothing is rounded away."""
    for draw in (draw_from(random) for _ in range(10_000)):
        assert 0 <= draw < 1
        assert float(f"{draw:.9f}") == draw


def test_who_is_left_out_is_never_drawn() -> None:
    """The stretches of the draw are those of the eligible alone."""
    pool = pool_of((50, False, 0, 9), (10, True, 0, 9), (50, True, 9, 9), (0, True, 0, 9), (10, True, 0, 9))
    assert [pick(pool, 1, draw).operator_id for draw in (0.0, 0.499999999, 0.5, 0.999999999)] == [2, 2, 5, 5]


def test_nobody_eligible_means_waiting() -> None:
    """With nobody to take it a contact gets no operator, and no draw is said to have decided that."""
    assert pick(pool_of(), 1, 0.5) == Pick(None, NOBODY_ELIGIBLE, None)
    assert pick(pool_of((1, True, 1, 1), (1, False, 0, 9)), 1, 0.5) == Pick(None, NOBODY_ELIGIBLE, None)


def test_sticky_goes_to_the_last_operator_whatever_the_draw() -> None:
    """On a sticky source a lead stays with the operator it had, without chance."""
    pool = pool_of((1, True, 0, 9), (1000, True, 0, 9), sticky=True)
    for draw in (0.0, 0.5, 0.999999999):
        assert pick(pool, 1, draw, last_operator_id=1) == Pick(1, STICKY, None)


@pytest.mark.parametrize("last", [1, 2, 3, 99, None])
def test_sticky_falls_back_where_the_last_operator_cannot(last: int | None) -> None:
    """An operator who is inactive, has weight 0, is full or is not of this source does not get the lead again."""
    people = ((1, False, 0, 9), (0, True, 0, 9), (1, True, 9, 9), (1, True, 0, 9))
    assert pick(pool_of(*people, sticky=True), 1, 0.5, last) == Pick(4, WEIGHTED_RANDOM, 0.5)


def test_without_sticky_the_last_operator_does_not_count() -> None:
    """A source that is not sticky draws for every contact."""
    pool = pool_of((1, True, 0, 9), (1, True, 0, 9))
    assert pick(pool, 1, 0.9, last_operator_id=1) == Pick(2, WEIGHTED_RANDOM, 0.9)


def test_a_pick_changes_nothing() -> None:
    """Asking who would get a contact takes no place."""
    pool = pool_of((1, True, 0, 1))
    assert pick(pool, 1, 0.5) == pick(pool, 1, 0.5)
    assert pool.operators[1].load == 0


@pytest.mark.parametrize(("rule", "repeated"), [(RULE, 1), (FIRST_RULE, 0)])
def test_picks_by_a_rule_of_an_earlier_release_are_not_repeated(rule: int, repeated: int) -> None:
    """After an upgrade `check` says nothing wrong of decisions that were right when they were made."""
    operators = [Operator(1, "Olga", is_active=True, max_active_contacts=9, load=0)]
    record = begin(Pool(operators, [Source(1, "bot", SMOOTH_WEIGHTED, False, ((1, 1),))]))
    record.steps.append(PickStep(1, None, Pick(1, SMOOTH_WEIGHTED)))
    data = record.to_data() | {"rule": rule}
    assert len([*picked_again(DecisionRecord.from_data(record.roster, data), 1)]) == repeated
