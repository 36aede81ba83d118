"""Any team, any course of events: picks stay within the rules and can be told again from what was kept."""

import json
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from distribution.selection import explain
from distribution.selection.decision_record import (
    OPERATORS,
    DecisionRecord,
    FreedStep,
    GivenStep,
    PickStep,
    Step,
    apply,
    begin,
    by_source,
    gaps,
    numbers,
    pool_at_start,
    source_at,
)
from distribution.selection.pool import WEIGHTED_RANDOM, Operator, Pool, Source
from distribution.selection.strategies import STRATEGIES, draw_from, pick

limits = st.integers(0, 4)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Up to six operators, some inactive, full or over their limit, on up to three overlapping sources."""
    operators = [
        Operator(i, f"o{i}", draw(st.booleans()) or draw(st.booleans()), draw(limits), draw(limits))
        for i in range(1, draw(st.integers(0, 6)) + 1)
    ]
    sources = []
    for source_id in range(1, draw(st.integers(1, 3)) + 1):
        members = [o.id for o in operators if draw(st.booleans())]
        weights = tuple((o, draw(st.integers(0, 3) | st.integers(0, 10_000))) for o in members)
        strategy = draw(st.sampled_from(sorted(STRATEGIES)))
        sources.append(Source(source_id, f"s{source_id}", strategy, draw(st.booleans()), weights))
    return Pool(operators, sources)


def afresh(pool: Pool) -> Pool:
    """The same state without anything worked out before."""
    return Pool([Operator(o.id, o.name, o.is_active, o.max_active_contacts, o.load) for o in pool.operators.values()],
                pool.sources.values())  # fmt: skip


def pool_before(record: DecisionRecord, position: int) -> Pool:
    """The pool as it was just before the step at `position`."""
    pool = pool_at_start(record)
    for step in record.steps[:position]:
        apply(pool, step)
    return pool


def play(pool: Pool, random: Random, steps: int) -> DecisionRecord:
    """A random course of picks and of places taken and given back, kept as a transaction keeps it."""
    record = begin(pool)
    for _ in range(steps):
        source_id = random.choice(sorted(pool.sources))
        if pool.operators and random.random() < 0.4:
            operator = pool.operators[random.choice(sorted(pool.operators))]
            freed = operator.load and random.random() < 0.6
            step: Step = FreedStep(operator.id) if freed else GivenStep(source_id, operator.id)
        else:
            last = random.choice([None, *pool.operators, 99])
            step = PickStep(source_id, last, pick(pool, source_id, draw_from(random), last))
        record.steps.append(step)
        apply(pool, step)
    return record


@given(pools(), st.integers(0, 2**32))
def test_only_the_eligible_are_picked(pool: Pool, seed: int) -> None:
    """Nobody inactive, without weight or at the limit gets a contact, and nobody is passed over for nothing."""
    random = Random(seed)
    for _ in range(30):
        source = pool.sources[random.choice(sorted(pool.sources))]
        eligible = {
            o for o, weight in source.weights
            if weight > 0 and pool.operators[o].is_active
            and pool.operators[o].load < pool.operators[o].max_active_contacts
        }  # fmt: skip
        last = random.choice([None, *pool.operators])
        chosen = pick(pool, source.id, draw_from(random), last)
        assert (chosen.operator_id in eligible) if eligible else (chosen.operator_id is None)
        if source.sticky and last in eligible:
            assert chosen.operator_id == last
        if chosen.operator_id is not None:
            pool.change_load(chosen.operator_id, 1)


@given(pools(), st.integers(0, 2**32))
def test_who_is_eligible_never_goes_out_of_date(pool: Pool, seed: int) -> None:
    """What is remembered between changes of load equals what is worked out from nothing."""
    random = Random(seed)
    for _ in range(30):
        fresh = afresh(pool)
        for source_id in pool.sources:
            assert pool.eligible(source_id) == fresh.eligible(source_id)
        if pool.operators:
            operator = pool.operators[random.choice(sorted(pool.operators))]
            pool.change_load(operator.id, random.choice([1, -1, 2]) if operator.load else 1)


@given(pools(), st.integers(0, 2**32), st.integers(1, 30))
def test_every_kept_pick_can_be_made_again(pool: Pool, seed: int, steps: int) -> None:
    """From the stored text of a transaction each pick gives the same operator for the same reason."""
    record = play(pool, Random(seed), steps)
    roster, data = json.loads(json.dumps(record.roster)), json.loads(json.dumps(record.to_data()))
    kept = DecisionRecord.from_data(roster, data)
    assert kept == record
    for position, step in enumerate(kept.steps):
        if isinstance(step, PickStep):
            then = pool_before(kept, position)
            assert pick(then, step.source_id, step.pick.draw or 0.0, step.last_operator_id) == step.pick
    at_the_end = pool_before(kept, len(kept.steps))
    assert at_the_end.operators == pool.operators
    assert at_the_end.sources == pool.sources
    assert at_the_end.deficits == pool.deficits


@given(pools(), st.integers(0, 2**32), st.integers(1, 30))
def test_a_pick_is_explained_from_what_concerns_its_source(pool: Pool, seed: int, steps: int) -> None:
    """From the roster of its source, or from the one of all, each pick has the same operator and the same reasons."""
    record = play(pool, Random(seed), steps)
    ids = [operator[0] for operator in record.roster["operators"]]
    data = json.loads(json.dumps(record.to_data()))
    rosters = by_source(json.loads(json.dumps(record.roster)))
    assert numbers(gaps(ids)) == ids
    for position, step in enumerate(record.steps):
        if isinstance(step, PickStep):
            assert source_at(data, position) == step.source_id
            whole = pool_before(record, position)
            for roster, kept in ((record.roster, data), (rosters[step.source_id], data | {OPERATORS: gaps(ids)})):
                narrow = pool_before(DecisionRecord.of_source(step.source_id, roster, kept), position)
                assert pick(narrow, step.source_id, step.pick.draw or 0.0, step.last_operator_id) == step.pick
                assert explain.decision_data(narrow, step) == explain.decision_data(whole, step)
                assert explain.sentence(narrow, step) == explain.sentence(whole, step)
        else:
            assert source_at(data, position) is None


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=20), st.data())
def test_a_draw_falls_where_a_sum_by_hand_says(weights: list[int], data: st.DataObject) -> None:
    """Exact fractions and the code agree on the operator, on borders between stretches too."""
    total = sum(weights)
    border = sum(weights[: data.draw(st.integers(0, len(weights)))]) * 10**9 // total
    near = st.integers(max(0, border - 2), min(10**9 - 1, border + 2)) if border < 10**9 else st.just(10**9 - 1)
    digits = data.draw(near | st.integers(0, 10**9 - 1))
    passed, expected = 0, 0
    for index, weight in enumerate(weights, 1):
        passed += weight
        if Fraction(digits, 10**9) < Fraction(passed, total):
            expected = index
            break
    operators = [Operator(i, f"o{i}", True, 1, 0) for i in range(1, len(weights) + 1)]
    pool = Pool(operators, [Source(1, "bot", WEIGHTED_RANDOM, False, tuple(enumerate(weights, 1)))])
    assert pick(pool, 1, digits / 10**9).operator_id == expected
