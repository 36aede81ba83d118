"""Any sequence of what admins and bots can do keeps every promise, on both databases."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.admin import operators as operator_service
from distribution.admin import sources as source_service
from distribution.allocation.close import close, lock_for
from distribution.allocation.reassignment import assign, move_all
from distribution.allocation.reassignment import lock_for as lock_to_assign
from distribution.errors import Conflict
from distribution.intake.submit import submit
from distribution.messages import Closing, Submission
from distribution.optimistic_locking import Actor, Edit
from distribution.selection.decision_record import picked_again
from distribution.selection.strategies import NOBODY_ELIGIBLE, OLDER_FIRST, STRATEGIES
from distribution.store import decisions as decision_rows
from distribution.store.database import Database
from distribution.store.engine import create_engine
from distribution.store.operator_pool import servable_sources
from distribution.store.tables import contacts, metadata, operators

T = TypeVar("T")
OPERATORS, SOURCES = 4, 3
EDIT = Edit(Actor("admin"))
operator_index = st.integers(0, OPERATORS - 1)
source_index = st.integers(0, SOURCES - 1)
limits = st.integers(0, 4)


class Life(RuleBasedStateMachine):
    """Operators, sources and contacts under every change there is."""

    database_url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.engine = create_engine(self.database_url)
        self.random = Random(1)
        self.operators: list[int] = []
        self.sources: list[int] = []
        self.contacts: list[UUID] = []
        self.by_hand: set[UUID] = set()
        self.loads: dict[int, int] = {}
        self.forced: set[int] = set()

    def run(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Work in one transaction."""
        return self.runner.run(Database(self.engine, self.random).run(work))

    def teardown(self) -> None:
        """Close everything."""
        self.runner.run(self.engine.dispose())
        self.runner.close()

    @initialize(strategies=st.tuples(*[st.sampled_from(sorted(STRATEGIES))] * SOURCES), sticky=st.booleans())
    def open(self, strategies: tuple[str, ...], sticky: bool) -> None:
        """Empty tables, operators with a few places, sources of any strategy."""

        async def make(conn: AsyncConnection) -> None:
            for table in reversed(metadata.sorted_tables):
                await conn.execute(sa.delete(table))
            for n in range(OPERATORS):
                self.operators.append((await operator_service.create(conn, f"operator {n}", True, 2, EDIT)).id)
            for n, strategy in enumerate(strategies):
                values = {"code": f"s{n}", "name": f"s{n}", "strategy": strategy, "sticky": sticky}
                self.sources.append((await source_service.create(conn, values, EDIT)).id)
                shared = [(operator_id, 1 + n) for operator_id in self.operators[n : n + 2]]
                await source_service.replace_weights(conn, self.random, self.sources[n], shared, EDIT)

        self.run(make)

    @rule(source=source_index, weights=st.dictionaries(operator_index, st.integers(0, 5)))
    def weigh(self, source: int, weights: dict[int, int]) -> None:
        """Replace a source's weights."""
        wanted = [(self.operators[o], weight) for o, weight in weights.items()]
        self.run(lambda conn: source_service.replace_weights(conn, self.random, self.sources[source], wanted, EDIT))

    @rule(source=source_index, count=st.integers(1, 5), lead=st.integers(0, 3))
    def submit(self, source: int, count: int, lead: int) -> None:
        """Some contacts of a lead."""
        new = [
            Submission(f"s{source}", f"k{len(self.contacts) + n}", f"lead {lead}", None, None, "null", b"d")
            for n in range(count)
        ]
        done = self.run(lambda conn: submit(conn, new, self.random))
        self.contacts += [outcome.contact.id for outcome in done.outcomes if not isinstance(outcome, Exception)]

    @precondition(lambda self: self.contacts)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """Close a few contacts, some of them again."""
        chosen = data.draw(st.lists(st.sampled_from(self.contacts), min_size=1, max_size=3))
        closings = [Closing(contact_id, None, None, "done") for contact_id in chosen]

        async def work(conn: AsyncConnection) -> None:
            await close(conn, await lock_for(conn, closings), closings, self.random)

        self.run(work)

    @rule(operator=operator_index, active=st.booleans(), limit=limits)
    def change(self, operator: int, active: bool, limit: int) -> None:
        """Activate, deactivate, raise or lower."""
        values = {"is_active": active, "max_active_contacts": limit}
        self.run(lambda conn: operator_service.change(conn, self.random, self.operators[operator], values, EDIT))

    @rule(operator=operator_index)
    def leave(self, operator: int) -> None:
        """Deactivate an operator and move its contacts away."""
        self.change(operator, active=False, limit=2)
        self.run(lambda conn: move_all(conn, self.random, self.operators[operator]))

    async def assign(self, contact_id: UUID, operator_id: int, force: bool, conn: AsyncConnection) -> None:
        """Lock what it takes, and assign."""
        await assign(conn, self.random, await lock_to_assign(conn, contact_id, operator_id), operator_id, force=force)

    @precondition(lambda self: self.contacts)
    @rule(data=st.data(), operator=operator_index, force=st.booleans())
    def give(self, data: st.DataObject, operator: int, force: bool) -> None:
        """Give a contact by hand."""
        contact_id, operator_id = data.draw(st.sampled_from(self.contacts)), self.operators[operator]
        try:
            self.run(partial(self.assign, contact_id, operator_id, force))
        except Conflict:
            return
        self.by_hand.add(contact_id)
        if force:
            self.forced.add(operator_id)

    @invariant()
    def loads_are_right_and_within_limits(self) -> None:
        """Every load is the recount; nobody got more than the limit allows, except by force."""

        async def read(conn: AsyncConnection) -> list[tuple[int, int, int, int]]:
            c, o = contacts.c, operators.c
            active = sa.select(sa.func.count()).where(c.operator_id == o.id, c.status == "active").scalar_subquery()
            rows = await conn.execute(sa.select(o.id, o.load, active, o.max_active_contacts))
            return [(row[0], row[1], row[2], row[3]) for row in rows]

        for operator_id, load, counted, limit in self.run(read):
            assert load == counted
            assert load <= max(limit, self.loads.get(operator_id, 0)) or operator_id in self.forced
            self.loads[operator_id] = load
        self.forced.clear()

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """No contact waits while a place could serve it."""
        assert self.run(servable_sources) == []

    @invariant()
    def the_older_goes_first(self) -> None:
        """Within a source, whoever waits is younger than everybody who was given to somebody by the rules."""

        async def read(conn: AsyncConnection) -> list[tuple[UUID, int, str]]:
            rows = await conn.execute(sa.select(contacts.c.id, contacts.c.source_id, contacts.c.status))
            return [(row[0], row[1], row[2]) for row in rows]

        rows = self.run(read)
        for source_id in self.sources:
            waiting = [i for i, source, status in rows if source == source_id and status == "waiting"]
            active = {i for i, source, status in rows if source == source_id and status == "active"} - self.by_hand
            assert not waiting or not active or min(waiting) > max(active) or self._lost_its_place(min(waiting))

    def _lost_its_place(self, contact_id: UUID) -> bool:
        """Whether a contact had been with an operator who left."""
        return len(self._history(contact_id)) > 1

    def _history(self, contact_id: UUID) -> list[decision_rows.Decision]:
        return self.run(lambda conn: decision_rows.of_contact(conn, contact_id))

    @invariant()
    def every_decision_can_be_made_again(self) -> None:
        """Sequences have no gap, and every pick comes out the same from the kept data."""
        for contact_id in self.contacts[-3:]:
            history = self._history(contact_id)
            assert [d.sequence for d in history] == list(range(1, len(history) + 1))
            for decision in history:
                if decision.batch_id is None or decision.reason in (OLDER_FIRST, "manual", "forced"):
                    continue
                place = decision.batch_id, decision.position or 0
                record = self.run(lambda conn, p=place: decision_rows.records(conn, [p]))[place]  # type: ignore[misc]  # mypy infers no lambda with a default
                [source] = record.roster["sources"]
                [again] = [again for at, _, again in picked_again(record, source[0]) if at == place[1]]
                assert again.operator_id == decision.operator_id
                assert again.reason == decision.reason or decision.reason == NOBODY_ELIGIBLE


def test_any_life(database_url: str) -> None:
    """Whatever happens in whatever order: loads right, limits kept, nobody waits in vain, the older first."""
    machine = type("LifeOnOneDatabase", (Life,), {"database_url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate],  # shrinking takes minutes on real databases
        ),
    )
