"""Why a contact went where it went, read back from what was kept."""

import re
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.models.contacts import contact_in_full
from distribution.admin import contacts
from distribution.admin.contact_history import LEAST_COUNTED, history
from distribution.allocation.assign_waiting import assign_waiting
from distribution.allocation.reassignment import assign, lock_for, move_all
from distribution.ids import isoformat
from distribution.store.tables import decision_batches, operators, rosters, source_operators, sources
from distribution.store.transactions import reading, transaction
from tests import factories as made


async def history_of(engine: AsyncEngine, key: str) -> list[dict[str, Any]]:
    """What is told of the contact with this key."""
    (contact,) = [c for c in await made.all_contacts(engine) if c.message_id == key]
    async with reading(engine) as conn:
        return await history(conn, contact.id)


@pytest.fixture
async def team(engine: AsyncEngine) -> dict[str, int]:
    """Olga and Anna can take contacts; Ivan is off, Petr has weight 0."""
    made_ids = {
        "Olga": await made.make_operator(engine, "Olga", 10),
        "Ivan": await made.make_operator(engine, "Ivan", 10, active=False),
        "Petr": await made.make_operator(engine, "Petr", 10),
        "Anna": await made.make_operator(engine, "Anna", 2),
    }
    weights = dict(zip(made_ids.values(), (30, 50, 0, 70), strict=True))
    await made.make_source(engine, weights)
    return made_ids


async def test_an_assigned_contact_is_explained(engine: AsyncEngine, team: dict[str, int], random: Random) -> None:
    """The sentence and the data under a contact say what decided, as it stood at that contact's turn in its batch."""
    await made.take(engine, made.messages(f"m-{i}" for i in range(12)), random)
    taken = dict.fromkeys(team, 0)
    for number in range(12):
        (entry,) = await history_of(engine, f"m-{number}")
        chosen = next(name for name, id_ in team.items() if id_ == entry["operator_id"])
        full = taken["Anna"] == 2
        assert re.fullmatch(
            rf"{chosen}: weight {30 if chosen == 'Olga' else 70} of {30 if full else 100}, "
            rf"{taken[chosen]} of {10 if chosen == 'Olga' else 2} places taken; drawn 0(\.\d{{1,9}})?\. "
            rf"Left out: Ivan \(inactive\), Petr \(weight 0\){re.escape(', Anna (at limit 2)' if full else '')}\.",
            entry["explanation"],
        ), entry["explanation"]
        loads = {c["operator_id"]: c["load"] for c in entry["decision"]["candidates"]}
        assert loads == {team[name]: taken[name] for name in ("Olga", "Anna") if name == "Olga" or not full}
        taken[chosen] += 1
    assert taken["Anna"] == 2


async def test_a_waiting_contact_is_explained(engine: AsyncEngine, team: dict[str, int], random: Random) -> None:
    """Who waits reads why, and once it is served both decisions are told in order with their times."""
    await made.take(engine, made.messages(f"m-{i}" for i in range(13)), random)
    (entry,) = await history_of(engine, "m-12")
    assert (entry["type"], entry["operator_id"], entry["reason"]) == ("contact.waiting", None, "nobody_eligible")
    assert entry["explanation"] == (
        "Waiting: nobody is eligible. "
        "Left out: Olga (at limit 10), Ivan (inactive), Petr (weight 0), Anna (at limit 2)."
    )  # fmt: skip
    await made.change_operator(engine, team["Anna"], max_active_contacts=3)
    async with transaction(engine) as conn:
        await assign_waiting(conn, random, operator_ids=[team["Anna"]])
    first, second = await history_of(engine, "m-12")
    assert first == entry
    assert (second["sequence"], second["type"], second["operator_id"]) == (2, "contact.assigned", team["Anna"])
    assert second["explanation"].startswith("Anna: weight 70 of 70, 2 of 3 places taken")
    events = [e for e in await made.all_events(engine) if e["data"]["contact"]["message_id"] == "m-12"]
    assert [e["time"] for e in events] == [isoformat(first["time"]), isoformat(second["time"])]


async def test_an_explanation_stays_true_to_its_time(engine: AsyncEngine, team: dict[str, int], random: Random) -> None:
    """Names, weights, limits and switches that change later do not change what is told of an earlier decision."""
    await made.take(engine, made.messages(f"m-{i}" for i in range(13)), random)
    before = [await history_of(engine, f"m-{i}") for i in (0, 5, 12)]
    async with transaction(engine) as conn:
        await conn.execute(sa.update(operators).values(name="Renamed", max_active_contacts=99, is_active=False))
        await conn.execute(sa.delete(source_operators).where(source_operators.c.operator_id == team["Petr"]))
        await conn.execute(sa.delete(operators).where(operators.c.id == team["Petr"]))
        await conn.execute(sa.update(source_operators).values(weight=1))
        await conn.execute(sa.update(sources).values(code="renamed", sticky=True))
    assert [await history_of(engine, f"m-{i}") for i in (0, 5, 12)] == before


async def test_a_source_without_operators_is_explained(engine: AsyncEngine) -> None:
    """The first contact of a source that nobody serves yet says what is missing."""
    await made.make_source(engine, {})
    await made.take(engine, [made.message("m")])
    (entry,) = await history_of(engine, "m")
    assert entry["explanation"] == "Waiting: the source has no operators."


async def test_a_sticky_decision_is_explained(engine: AsyncEngine, random: Random) -> None:
    """A lead that came back to its operator is told to have, with no draw."""
    olga, ivan = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Ivan")
    await made.make_source(engine, {olga: 1, ivan: 1}, sticky=True)
    await made.take(engine, [made.message("m-1", "anna"), made.message("m-2", "anna")], random)
    await made.take(engine, [made.message("m-3", "anna")], random)
    (first,), *others = [await history_of(engine, f"m-{i}") for i in (1, 2, 3)]
    for taken, (entry,) in enumerate(others, 1):
        assert (entry["operator_id"], entry["reason"]) == (first["operator_id"], "sticky")
        assert f"had the lead's last contact, {taken} of 1000 places taken." in entry["explanation"]
        assert entry["decision"]["draw"] is None


async def test_history_costs_a_row_a_contact_and_one_a_batch(
    engine: AsyncEngine, team: dict[str, int], random: Random
) -> None:
    """What all decisions of a batch share is kept once, and a team that stays the same is kept once for all."""
    assert team
    for batch in range(3):
        await made.take(engine, made.messages(f"{batch}-{i}" for i in range(3)), random)
    async with reading(engine) as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(decision_batches)) == 3
        assert await conn.scalar(sa.select(sa.func.count()).select_from(rosters)) == 1


async def test_a_contact_that_is_not_there_has_no_history(engine: AsyncEngine) -> None:
    """An unknown id is an empty history, not an error."""
    async with reading(engine) as conn:
        assert await history(conn, uuid4()) == []


async def test_of_many_decisions_over_many_operators_the_newest_are_explained(
    engine: AsyncEngine, random: Random
) -> None:
    """The others say that they are not, in the list as the API shows it; what needs no record is told all the same."""
    olga, ivan = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Ivan", active=False)
    await made.make_source(engine, {olga: 1, ivan: 1})
    await made.take(engine, [made.message("m")])
    [contact] = await made.all_contacts(engine)
    for leaves, comes in ((olga, ivan), (ivan, olga), (olga, ivan)):
        await made.change_operator(engine, comes, is_active=True)
        await made.change_operator(engine, leaves, is_active=False)
        async with transaction(engine) as conn:
            await move_all(conn, random, leaves)
    await made.change_operator(engine, olga, is_active=True)
    async with transaction(engine) as conn:
        await assign(conn, random, await lock_for(conn, contact.id, olga), olga, force=False)
    async with reading(engine) as conn:
        entries = await history(conn, contact.id, operators_shown=3 * LEAST_COUNTED)
        shown = contact_in_full(await contacts.show(conn, contact.id), entries, None)["history"]
    assert [entry["sequence"] for entry in shown] == [1, 2, 3, 4, 5]
    assert [entry["decision"] is not None for entry in shown] == [False, False, True, True, False]
    assert [entry["explanation"] is not None for entry in shown] == [False, False, True, True, True]
    assert ["decision_omitted" in entry for entry in shown] == [True, True, False, False, False]
