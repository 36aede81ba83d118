"""`smooth_weighted` keeps its bound whoever leaves, comes back or joins."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distribution.selection.decision_record import DecisionRecord, PickStep, apply, begin, picked_again
from distribution.selection.deficit_redistribution import MOST, shared_out
from distribution.selection.pool import SMOOTH_WEIGHTED, Operator, Pool, Source
from distribution.selection.strategies import draw_from, pick

ROOM = 1_000_000
NEAR = 1e-6


@dataclass
class Roster:
    """A source whose operators leave and come back; what they are owed outlives each pool, as in the database."""

    random: Random
    weights: dict[int, int]
    deficits: dict[int, float] = field(default_factory=dict)
    away: dict[int, str] = field(default_factory=dict)
    """By operator: `inactive`, `full` or `weightless`."""
    records: list[DecisionRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deficits = dict.fromkeys(self.weights, 0.0) | self.deficits

    def pool(self) -> Pool:
        """As a transaction finds it."""
        is_away = {o: self.away.get(o) for o in self.weights}
        operators = [
            Operator(o, f"o{o}", why != "inactive", ROOM, ROOM if why == "full" else 0) for o, why in is_away.items()
        ]
        weights = tuple((o, 0 if is_away[o] == "weightless" else weight) for o, weight in sorted(self.weights.items()))
        source = Source(1, "web", SMOOTH_WEIGHTED, False, weights)
        return Pool(operators, [source], {(1, o): owed for o, owed in self.deficits.items()})

    def take(self, number: int, check: Callable[[], None]) -> None:
        """So many contacts in one transaction, with a check after each."""
        pool = self.pool()
        record = begin(pool)
        for _ in range(number):
            step = PickStep(1, None, pick(pool, 1, draw_from(self.random)))
            record.steps.append(step)
            apply(pool, step)
            self.deficits = {o: owed for (_, o), owed in pool.deficits.items()}
            check()
        self.records.append(record)

    def leave(self, operator_id: int) -> None:
        """Its weight is deleted."""
        for of in (self.weights, self.deficits, self.away):
            of.pop(operator_id, None)
        shown = {o: 0 if self.away.get(o) == "weightless" else weight for o, weight in self.weights.items()}
        self.deficits = shared_out(self.deficits, shown)

    def join(self, operator_id: int, weight: int) -> None:
        """It gets a weight, or another one."""
        self.weights[operator_id] = weight
        self.deficits.setdefault(operator_id, 0.0)

    def is_kept(self) -> None:
        """Nobody is a whole contact away, and together nobody is owed anything."""
        assert abs(sum(self.deficits.values())) < NEAR
        assert max(map(abs, self.deficits.values())) < 1 + NEAR


def of_source(random: Random) -> Roster:
    """Up to 60 operators."""
    return Roster(random, {o: random.randint(1, 100) for o in range(random.randint(2, 60))})


def some(roster: Roster) -> int:
    """One of its operators."""
    return roster.random.choice(sorted(roster.weights))


@pytest.mark.parametrize("seed", range(60))
def test_who_leaves_for_good_takes_nothing_along(seed: int) -> None:
    """Ten operators leave, some come back as new ones: after every contact all are within one of their share."""
    roster = of_source(Random(seed))
    for number in range(10):
        roster.take(roster.random.randint(1, 3 * len(roster.weights)), roster.is_kept)
        if len(roster.weights) > 1:
            roster.leave(left := some(roster))
            roster.join(left if number % 2 else 100 + number, roster.random.randint(1, 100))
        roster.is_kept()


@pytest.mark.parametrize("why", ["inactive", "full", "weightless"])
@pytest.mark.parametrize("seed", range(20))
def test_who_is_away_for_a_while_keeps_the_others_within_a_contact(why: str, seed: int) -> None:
    """Deactivated, at the limit, or with weight 0, one after the other, for longer and shorter."""
    roster = of_source(Random(seed))
    for _ in range(10):
        roster.take(roster.random.randint(1, 3 * len(roster.weights)), roster.is_kept)
        away = some(roster)
        roster.away = {away: why}
        owed = roster.deficits[away]
        roster.take(roster.random.randint(1, 3 * len(roster.weights)), roster.is_kept)
        assert roster.deficits[away] == owed
        roster.away = {}


def test_chance_decides_nothing_while_the_absent_are_owed_more_than_a_contact(random: Random) -> None:
    """Two with the same weight take turns, however much the two have had too much together."""
    roster = Roster(random, {1: 1, 2: 1, 3: 1}, {1: -1.1, 2: -1.3, 3: 2.4}, {3: "inactive"})
    roster.take(100, lambda: None)
    [record] = roster.records
    picked = [step.pick.operator_id for step in record.steps if isinstance(step, PickStep)]
    assert picked == [1, 2] * 50


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(0, 40), st.tuples(st.floats(-MOST, MOST), st.integers(0, 100)), max_size=20))
def test_what_somebody_took_along_is_shared_out(stay: dict[int, tuple[float, int]]) -> None:
    """It adds up to 0 and nobody is a whole contact away; all change the same way, by weight where nobody is full."""
    before, weights = {o: d for o, (d, _) in stay.items()}, {o: w for o, (_, w) in stay.items()}
    after = shared_out(before, weights)
    assert after.keys() == before.keys()
    if before:
        assert abs(sum(after.values())) < NEAR
    changed = {o: after[o] - before[o] for o in after if abs(after[o] - before[o]) > NEAR}
    assert len({d > 0 for d in changed.values()}) <= 1
    by_weight = [changed[o] / weights[o] for o in changed if weights[o] and abs(after[o]) < MOST - NEAR]
    assert not by_weight or max(by_weight) - min(by_weight) < NEAR
    assert shared_out(after, weights) == after


def test_who_comes_back_is_owed_what_it_was(random: Random) -> None:
    """Away it neither gains nor loses; its record, made again from what is kept, gives the same picks."""
    roster = Roster(random, {1: 1, 2: 2, 3: 3})
    roster.take(7, roster.is_kept)
    owed = roster.deficits[2]
    for why in ("inactive", "full", "weightless"):
        roster.away = {2: why}
        roster.take(50, roster.is_kept)
        assert roster.deficits[2] == owed
    for record in roster.records:
        kept = DecisionRecord.from_data(record.roster, record.to_data())
        picks = [(was, again) for _, was, again in picked_again(kept, 1)]
        assert len(picks) == len(record.steps)
        assert all(was == again for was, again in picks)
