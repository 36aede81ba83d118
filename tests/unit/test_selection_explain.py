"""Decisions in words: what an admin reads under a contact."""

import pytest

from distribution.selection.decision_record import PickStep
from distribution.selection.explain import MAX_COUNTED, decision_data, sentence, unblocked_by
from distribution.selection.pool import STICKY, WEIGHTED_RANDOM, Operator, Pool, Source
from distribution.selection.strategies import NOBODY_ELIGIBLE, OLDER_FIRST, Pick


def team(*, sticky: bool = False, weights: tuple[tuple[int, int], ...] | None = None) -> Pool:
    """Olga and Anna can take contacts; Ivan is full, Petr is off, Vera has weight 0."""
    people = [
        Operator(1, "Olga", True, 10, 3),
        Operator(2, "Ivan", True, 5, 5),
        Operator(3, "Petr", False, 10, 0),
        Operator(4, "Vera", True, 10, 0),
        Operator(5, "Anna", True, 10, 0),
    ]
    ranked = ((1, 30), (2, 40), (3, 50), (4, 0), (5, 70)) if weights is None else weights
    return Pool(people, [Source(1, "bot", WEIGHTED_RANDOM, sticky, ranked)])


LEFT_OUT = "Left out: Ivan (at limit 5), Petr (inactive), Vera (weight 0)."


def test_a_drawn_operator_is_explained() -> None:
    """The sentence says the weight among the eligible, the places taken before, the draw, and who was left out why."""
    step = PickStep(1, None, Pick(1, WEIGHTED_RANDOM, 0.412))
    assert sentence(team(), step) == (
        f"Olga: weight 30 of 100, 3 of 10 places taken; drawn 0.412. {LEFT_OUT}"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("draw", "shown"), [(0.5, "0.5"), (0.123456789, "0.123456789"), (0.00005, "0.00005"), (1e-9, "0.000000001")]
)
def test_a_draw_is_shown_as_people_write_numbers(draw: float, shown: str) -> None:
    """A small draw is not written as 5e-05."""
    assert f"; drawn {shown}. " in sentence(team(), PickStep(1, None, Pick(1, WEIGHTED_RANDOM, draw)))


def test_everybody_eligible_leaves_no_second_sentence() -> None:
    """Where nobody was left out, nothing is said about it."""
    pool = team(weights=((1, 30), (5, 70)))
    step = PickStep(1, None, Pick(5, WEIGHTED_RANDOM, 0.3))
    assert sentence(pool, step) == "Anna: weight 70 of 100, 0 of 10 places taken; drawn 0.3."


def test_a_sticky_pick_is_explained() -> None:
    """A lead that came back to its operator is said to have."""
    step = PickStep(1, 1, Pick(1, STICKY))
    assert sentence(team(sticky=True), step) == f"Olga: had the lead's last contact, 3 of 10 places taken. {LEFT_OUT}"


def test_waiting_is_explained() -> None:
    """An admin reads why a contact waits: nobody can, nobody is there, or older ones are first."""
    nobody = PickStep(1, None, Pick(None, NOBODY_ELIGIBLE))
    assert sentence(team(weights=((2, 40), (3, 50), (4, 0))), nobody) == f"Waiting: nobody is eligible. {LEFT_OUT}"
    assert sentence(team(weights=()), nobody) == "Waiting: the source has no operators."
    older = PickStep(1, None, Pick(None, OLDER_FIRST))
    assert sentence(team(), older) == f"Waiting: older contacts of the source are first. {LEFT_OUT}"


def test_the_decision_in_data_holds_all_that_decided() -> None:
    """Strategy, candidates with weight, load and limit, who was left out and why, and the draw are there to check."""
    step = PickStep(1, 5, Pick(1, WEIGHTED_RANDOM, 0.2))
    assert decision_data(team(), step) == {
        "strategy": "weighted_random",
        "sticky": False,
        "draw": 0.2,
        "operator_id": 1,
        "last_operator_id": 5,
        "candidates": [
            {"operator_id": 1, "name": "Olga", "weight": 30, "load": 3, "max_active_contacts": 10},
            {"operator_id": 5, "name": "Anna", "weight": 70, "load": 0, "max_active_contacts": 10},
        ],
        "left_out": [
            {"operator_id": 2, "name": "Ivan", "reason": "at_limit"},
            {"operator_id": 3, "name": "Petr", "reason": "inactive"},
            {"operator_id": 4, "name": "Vera", "reason": "zero_weight"},
        ],
    }


@pytest.mark.parametrize(
    ("older", "before"),
    [
        (0, ""),
        (1, "1 older contact of the source goes first. "),
        (2, "2 older contacts of the source go first. "),
        (MAX_COUNTED, f"{MAX_COUNTED} older contacts of the source go first. "),
        (MAX_COUNTED + 1, f"More than {MAX_COUNTED} older contacts of the source go first. "),
    ],
)
def test_what_would_move_a_waiting_contact_is_told(older: int, before: str) -> None:
    """Every way there is, whoever is concerned, and how many go first; nobody counts a long line to its end."""
    ways = "a place free at Ivan; activating Petr; a weight for Vera"
    blocked = team(weights=((2, 40), (3, 50), (4, 0)))
    assert unblocked_by(blocked, 1, older) == f"{before}Any of these would serve it: {ways}."
    assert unblocked_by(team(weights=()), 1, older) == f"{before}Give the source an operator."
    assert unblocked_by(team(), 1, older) == f"{before}It is about to be served."
