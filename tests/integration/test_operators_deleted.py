"""An operator that is deleted is gone for everybody; its row stays, so that nothing has to be searched for it."""

import asyncio
from datetime import UTC, datetime
from random import Random

import httpx2
import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.past_contacts import History, write
from benchmarks.workload import Size
from distribution.admin import operators as operator_service
from distribution.admin import sources as source_service
from distribution.admin.consistency import repair
from distribution.allocation.assign_waiting import assign_waiting
from distribution.allocation.close import close, lock_for
from distribution.ids import new_id
from distribution.messages import Closing
from distribution.optimistic_locking import Actor, Edit
from distribution.store import decisions as decision_rows
from distribution.store import schema
from distribution.store.database import Database
from distribution.store.decisions import Decision
from distribution.store.operator_pool import servable_sources
from distribution.store.tables import contacts, operators, source_operators
from distribution.store.transactions import reading, transaction
from tests import factories as made
from tests.integration.api_client import all_items, fields_of
from tests.statement_counts import rows_read

EDIT = Edit(Actor("admin"))
HISTORY = 5_000
SIZE = Size(operators=5, sources=3)


async def give_history(engine: AsyncEngine, operator_id: int, number: int) -> None:
    """A contact that was moved very often."""
    [contact] = await made.all_contacts(engine)
    new = [
        Decision(contact.id, sequence, new_id(), "contact.reassigned", operator_id, operator_id, "manual", None, None)
        for sequence in range(2, number + 2)
    ]
    async with transaction(engine) as conn:
        await decision_rows.insert(conn, new)


async def test_deleting_reads_no_decisions(engine: AsyncEngine) -> None:
    """However long the history of all others is, its sources are locked for a moment only."""
    olga, never = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Never")
    await made.make_source(engine, {olga: 1, never: 0})
    await made.take(engine, [made.message("m")])
    await give_history(engine, olga, HISTORY)
    async with transaction(engine) as conn, rows_read(conn, "decisions") as effort:
        await operator_service.delete(conn, never, EDIT)
    assert effort.number < HISTORY


async def test_deleting_reads_no_contacts_of_others(engine: AsyncEngine, database_url: str) -> None:
    """Whether an operator or a source was ever used is known from an index, also where all others are used much."""
    team = [await made.make_operator(engine, f"o{n}") for n in range(SIZE.operators)]
    for n in range(SIZE.sources):
        await made.make_source(engine, dict.fromkeys(team, 1), f"s{n}")
    never = await made.make_operator(engine, "Never")
    source_id = await made.make_source(engine, {never: 1}, "never")
    await write(database_url, History(HISTORY), SIZE)
    async with transaction(engine) as conn, rows_read(conn, "contacts") as effort:
        await operator_service.delete(conn, never, EDIT)
        await source_service.delete(conn, source_id, EDIT)
    assert effort.number < HISTORY


async def test_a_deleted_operator_is_nowhere(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Not in lists, stats and weights, not for new weights and contacts; the audit has it, its id is used up."""
    olga = await made.make_operator(engine, "Olga", 0)
    source_id = await made.make_source(engine, {olga: 1})
    await made.take(engine, [made.message("m")])
    assert (await admin.delete(f"/operators/{olga}")).status_code == 204
    one = f"/operators/{olga}"
    answers = [await admin.get(one), await admin.patch(one, json={"is_active": True}), await admin.delete(one)]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert await all_items(admin, "/operators") == []
    assert (await admin.get("/stats")).json()["operators"] == []
    assert (await admin.get(f"/sources/{source_id}/operators")).json() == {"operators": []}
    weights = {"operators": [{"operator_id": olga, "weight": 1}]}
    refused = await admin.put(f"/sources/{source_id}/operators", json=weights)
    assert fields_of(refused) == ["operators.0.operator_id"]
    [contact] = await made.all_contacts(engine)
    by_hand = await admin.post(f"/contacts/{contact.id}/assign", json={"operator_id": olga, "force": True})
    assert fields_of(by_hand) == ["operator_id"]
    explained = (await admin.get(f"/contacts/{contact.id}")).json()["history"][0]["explanation"]
    assert explained == "Waiting: nobody is eligible. Left out: Olga (at limit 0)."
    [removed] = await all_items(admin, "/audit", object_kind="operator")
    assert (removed["action"], removed["object_id"], removed["after"]) == ("operator.removed", str(olga), None)
    assert (await admin.post("/operators", json={"name": "Ivan"})).json()["id"] > olga


async def test_who_had_a_contact_once_cannot_be_deleted(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """409 also where the contact is with somebody else by now, and only its history tells of the operator."""
    olga, ivan = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Ivan")
    await made.make_source(engine, {olga: 1})
    await made.take(engine, [made.message("m")])
    [contact] = await made.all_contacts(engine)
    for operator_id in (ivan, olga):
        await admin.post(f"/contacts/{contact.id}/assign", json={"operator_id": operator_id})
    assert (await admin.delete(f"/operators/{ivan}")).status_code == 409


async def test_what_a_program_of_the_release_before_gives_it_is_done_with(engine: AsyncEngine, random: Random) -> None:
    """It knows of no deletion: a weight or a contact of such an operator stops no batch, and can be closed."""
    olga, gone = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Gone")
    source_id = await made.make_source(engine, {olga: 1})
    async with transaction(engine) as conn:
        await operator_service.delete(conn, gone, EDIT)
        await conn.execute(sa.insert(source_operators).values(source_id=source_id, operator_id=gone, weight=1))
    assert (await made.take(engine, [made.message("m")], random)).counts == {"active": 1}
    async with transaction(engine) as conn:
        await conn.execute(sa.delete(source_operators).where(source_operators.c.operator_id == gone))
        await conn.execute(sa.update(contacts).values(operator_id=gone))
        await conn.execute(sa.update(operators).where(operators.c.id == gone).values(load=1))
        await conn.execute(sa.update(operators).where(operators.c.id == olga).values(load=0))
    [contact] = await made.all_contacts(engine)
    closings = [Closing(contact.id, None, None, "done")]
    async with transaction(engine) as conn:
        await close(conn, await lock_for(conn, closings), closings, random)
    assert await made.loads(engine) == {olga: 0, gone: 0}


async def test_what_a_program_of_the_release_before_makes_of_it_is_not_seen(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """With a weight and active again it still gets nothing, and is no operator for anybody who names it."""
    gone = await made.make_operator(engine, "Gone")
    source_id = await made.make_source(engine, {})
    assert (await admin.delete(f"/operators/{gone}")).status_code == 204
    async with transaction(engine) as conn:
        await conn.execute(sa.insert(source_operators).values(source_id=source_id, operator_id=gone, weight=1))
    await made.change_operator(engine, gone, is_active=True)
    assert (await made.take(engine, [made.message("m")])).counts == {"waiting": 1}
    async with reading(engine) as conn:
        assert await servable_sources(conn) == []
    weights = f"/sources/{source_id}/operators"
    assert (await admin.get(weights)).json() == {"operators": []}
    refused = await admin.put(weights, json={"operators": [{"operator_id": gone, "weight": 1}]})
    assert fields_of(refused) == ["operators.0.operator_id"]
    [contact] = await made.all_contacts(engine)
    by_hand = await admin.post(f"/contacts/{contact.id}/assign", json={"operator_id": gone, "force": True})
    assert fields_of(by_hand) == ["operator_id"]
    assert (await admin.patch(f"/operators/{gone}?reassign=true", json={"is_active": False})).status_code == 404


async def test_a_load_that_is_too_low_is_repaired(engine: AsyncEngine, random: Random) -> None:
    """Somebody gave it a contact and edited the load: the check mends it like anybody's."""
    olga, gone = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Gone")
    await made.make_source(engine, {olga: 1})
    await made.take(engine, [made.message("m")])
    async with transaction(engine) as conn:
        await operator_service.delete(conn, gone, EDIT)
        await conn.execute(sa.update(contacts).values(operator_id=gone))
    assert await repair(Database(engine, random), EDIT.actor) == 2
    assert await made.loads(engine) == {olga: 0, gone: 1}


@pytest.mark.parametrize("only_in_history", [False, True])
async def test_known_operators_are_marked_by_the_revision(
    engine: AsyncEngine, database_url: str, random: Random, only_in_history: bool
) -> None:
    """Who has or had a contact before the upgrade cannot be deleted after it; who never had one can."""
    olga, ivan = await made.make_operator(engine, "Olga"), await made.make_operator(engine, "Ivan", 0)
    never = await made.make_operator(engine, "Never") if only_in_history else None
    source_id = await made.make_source(engine, {olga: 1, ivan: 1})
    await made.take(engine, [made.message("m")])
    if only_in_history:
        await give_history(engine, ivan, 1)
    else:
        await made.change_operator(engine, olga, is_active=False)
        await made.take(engine, [made.message("m2")])
        await made.change_operator(engine, ivan, max_active_contacts=1)
        async with transaction(engine) as conn:
            await assign_waiting(conn, random, source_ids=[source_id])
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0004")
    await asyncio.to_thread(schema.upgrade, database_url)
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(operators.c.id, operators.c.had_contacts))
    expected = {olga: True, ivan: True} | ({never: False} if never else {})
    assert {row.id: row.had_contacts for row in rows} == expected


async def test_a_row_written_by_the_release_before_is_an_operator(engine: AsyncEngine) -> None:
    """It does not know the new columns: they have values that fit."""
    async with transaction(engine) as conn:
        values = {"name": "Olga", "active": True, "now": datetime.now(UTC)}
        columns = "name, is_active, max_active_contacts, load, created_at"
        statement = f"INSERT INTO operators ({columns}) VALUES (:name, :active, 1, 0, :now)"  # noqa: S608 - our own text
        await conn.execute(
            sa.text(statement).bindparams(sa.bindparam("now", type_=operators.c.created_at.type)), values
        )
        [olga] = (await operator_service.page(conn, None, 10)).items
        await operator_service.delete(conn, olga.id, EDIT)
        assert (await operator_service.page(conn, None, 10)).items == []
