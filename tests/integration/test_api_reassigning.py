"""An operator who leaves: `PATCH /operators/{id}?reassign=true` moves its contacts to others or back to waiting."""

from random import Random
from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.admin import operators
from distribution.allocation.reassignment import MOVE_LIMIT
from distribution.optimistic_locking import Actor, Edit
from distribution.store.transactions import transaction
from tests.factories import all_contacts, all_events, loads, make_operator, make_source, message, messages, take
from tests.integration.api_client import all_items, fields_of

LEAVES: dict[str, Any] = {"json": {"is_active": False}, "params": {"reassign": "true"}}


async def test_contacts_go_to_others_and_then_back_to_waiting(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The oldest to who has a place, the rest waits with its age kept, and all of it is told and explained."""
    olga = await make_operator(engine, "Olga", 9)
    source_id = await make_source(engine, {olga: 1})
    await take(engine, messages(("m0", "m1", "m2"), leads=3))
    ivan = await make_operator(engine, "Ivan", 2)
    rows = [{"operator_id": operator_id, "weight": 1} for operator_id in (olga, ivan)]
    await admin.put(f"/sources/{source_id}/operators", json={"operators": rows})
    answer = await admin.patch(f"/operators/{olga}", **LEAVES)
    assert (answer.status_code, answer.json()["is_active"], answer.json()["load"]) == (200, False, 0)
    assert [(c.operator_id, c.status) for c in await all_contacts(engine)] == [
        (ivan, "active"), (ivan, "active"), (None, "waiting"),
    ]  # fmt: skip
    contacts, [audited, *_] = await all_contacts(engine), await all_items(admin, "/audit")
    assert audited["after"] == {"load": 0, "moved": {str(c.id): c.operator_id for c in contacts}}
    events = (await all_events(engine))[3:]
    assert [event["type"] for event in events] == ["contact.reassigned", "contact.reassigned", "contact.waiting"]
    assert {event["data"]["previous_operator"]["id"] for event in events} == {olga}
    await take(engine, [message("m3")])
    await admin.patch(f"/operators/{ivan}", json={"max_active_contacts": 3})
    assert [c.operator_id for c in await all_contacts(engine)] == [ivan, ivan, ivan, None]
    third = (await admin.get(f"/contacts/{(await all_contacts(engine))[2].id}")).json()
    assert third["message_id"] == "m2"
    assert [(h["type"], h["previous_operator"] and h["previous_operator"]["name"]) for h in third["history"]] == [
        ("contact.assigned", None), ("contact.waiting", "Olga"), ("contact.reassigned", "Olga"),
    ]  # fmt: skip
    assert third["history"][1]["explanation"].startswith("Waiting: nobody is eligible. Left out: ")
    assert third["history"][2]["explanation"].startswith("Ivan: weight 1 of 1, 2 of 3 places taken; drawn ")
    assert all(h["explanation"].endswith(" Before: Olga.") for h in third["history"][1:])


async def test_many_contacts_of_who_left_before_move_in_several_transactions(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Also of an operator that is inactive already; each transaction has its row in the audit; again is nothing."""
    number = MOVE_LIMIT + 50
    olga = await make_operator(engine, limit=number)
    await make_source(engine, {olga: 1})
    await take(engine, messages((f"m{n:03}" for n in range(number)), leads=9))
    assert (await admin.patch(f"/operators/{olga}", json={"is_active": False})).json()["load"] == number
    for _ in range(2):
        assert (await admin.patch(f"/operators/{olga}", **LEAVES)).json()["load"] == 0
    assert {c.status for c in await all_contacts(engine)} == {"waiting"}
    assert await loads(engine) == {olga: 0}
    last, first, deactivated = await all_items(admin, "/audit")
    moved = [row["after"].pop("moved") for row in (first, last)]
    assert [(row["action"], row["before"], row["after"]) for row in (first, last)] == [
        ("operator.reassigned", {"load": number}, {"load": 50}), ("operator.reassigned", {"load": 50}, {"load": 0}),
    ]  # fmt: skip
    assert moved[0] | moved[1] == {str(contact.id): None for contact in await all_contacts(engine)}
    assert (deactivated["action"], deactivated["after"]["is_active"]) == ("operator.changed", False)


async def test_moving_away_takes_deactivation(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """422 for anything else, and nothing is changed; another change may come with it."""
    path = f"/operators/{await make_operator(engine, 'Olga')}"
    before = (await admin.get(path)).json()
    for body in ({}, {"is_active": True}, {"name": "Olga P."}):
        assert fields_of(await admin.patch(f"{path}?reassign=true", json=body)) == ["is_active"]
    for value in ("1", "", "True", "yes", "%00"):
        assert fields_of(await admin.patch(f"{path}?reassign={value}", json={"is_active": False})) == ["reassign"]
    assert (await admin.get(path)).json() == before
    assert (await admin.patch("/operators/99", **LEAVES)).status_code == 404
    assert (await admin.patch(f"{path}?reassign=false", json={"is_active": True})).status_code == 200
    both = await admin.patch(f"{path}?reassign=true", json={"is_active": False, "name": "Olga P."})
    assert (both.json()["name"], both.json()["is_active"]) == ("Olga P.", False)


async def test_who_was_activated_meanwhile_keeps_the_rest(engine: AsyncEngine, random: Random) -> None:
    """The moving stops: it would only hand contacts back and forth."""
    olga = await make_operator(engine, "Olga")
    await make_source(engine, {olga: 1})
    await take(engine, [message("m")])
    async with transaction(engine) as conn:
        assert (await operators.reassign(conn, random, olga, Edit(Actor("admin")))).contacts == 0
    assert await loads(engine) == {olga: 1}
