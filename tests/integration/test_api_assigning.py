"""Contacts given by hand over HTTP, within the limit or by force, and what a waiting contact waits for."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import all_contacts, all_events, change_operator, make_operator, make_source, messages, take
from tests.integration.api_client import all_items, fields_of

Team = dict[str, Any]


@pytest.fixture
async def team(engine: AsyncEngine) -> Team:
    """Olga at her limit of 1, one contact waiting behind hers; Ivan with no weight and a place for one."""
    olga, ivan = await make_operator(engine, "Olga", 1), await make_operator(engine, "Ivan", 1)
    await make_source(engine, {olga: 1, ivan: 0})
    await take(engine, messages(("m0", "m1"), leads=2))
    first, second = await all_contacts(engine)
    return {"olga": olga, "ivan": ivan, "first": first.id, "second": second.id}


async def give(admin: httpx2.AsyncClient, contact_id: UUID, operator_id: int, **more: bool) -> httpx2.Response:
    """Ask for it."""
    return await admin.post(f"/contacts/{contact_id}/assign", json={"operator_id": operator_id} | more)


async def test_an_active_contact_moves_and_its_place_is_filled(
    admin: httpx2.AsyncClient, engine: AsyncEngine, team: Team
) -> None:
    """Also to somebody without weight; the history names both, the one who waited is served at once."""
    answer = await give(admin, team["first"], team["ivan"])
    moved = answer.json()
    assert (answer.status_code, moved["operator"], moved["status"]) == (
        200, {"id": team["ivan"], "name": "Ivan"}, "active",
    )  # fmt: skip
    last = moved["history"][-1]
    assert (last["type"], last["reason"], last["decision"]) == ("contact.reassigned", "manual", None)
    assert last["explanation"] == "Given by hand. Before: Olga."
    assert last["previous_operator"] == {"id": team["olga"], "name": "Olga"}
    assert [c.operator_id for c in await all_contacts(engine)] == [team["ivan"], team["olga"]]
    event = (await all_events(engine))[2]
    assert (event["type"], event["data"]["previous_operator"]["name"]) == ("contact.reassigned", "Olga")
    assert (await give(admin, team["first"], team["ivan"])).json() == moved
    assert len(await all_items(admin, "/audit")) == 1


async def test_over_the_limit_only_by_force(admin: httpx2.AsyncClient, engine: AsyncEngine, team: Team) -> None:
    """409 says how full; by force it goes, is told as that, and frees nothing for anybody else."""
    refused = await give(admin, team["second"], team["olga"])
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "Olga has 1 of 1 places taken; close a contact, raise the limit, or force it."
    )  # fmt: skip
    forced = (await give(admin, team["second"], team["olga"], force=True)).json()
    assert forced["history"][-1]["explanation"] == "Given by hand, over the limit."
    assert (await admin.get(f"/operators/{team['olga']}")).json()["load"] == 2
    assert (await give(admin, team["first"], team["ivan"], force=True)).json()["history"][-1]["reason"] == "manual"
    assert [row["action"] for row in await all_items(admin, "/audit")] == ["contact.assigned", "contact.forced"]
    assert {c.status for c in await all_contacts(engine)} == {"active"}


async def test_what_cannot_be_given_is_told(admin: httpx2.AsyncClient, engine: AsyncEngine, team: Team) -> None:
    """404, 409 and 422 by what is wrong; nothing is kept of it."""
    await change_operator(engine, team["ivan"], is_active=False)
    path = f"/contacts/{team['second']}/assign"
    for body, field in (
        ({}, "operator_id"),
        ({"operator_id": None}, "operator_id"),
        ({"operator_id": "1"}, "operator_id"),
        ({"operator_id": 0}, "operator_id"),
        ({"operator_id": 2**63}, "operator_id"),
        ({"operator_id": 2**63 - 1}, "operator_id"),
        ({"operator_id": 99}, "operator_id"),
        ({"operator_id": 1, "force": 1}, "force"),
        ({"operator_id": 1, "forse": True}, "forse"),
    ):
        assert fields_of(await admin.post(path, json=body)) == [field], body
    assert (await admin.post(path)).status_code == 400
    inactive = await give(admin, team["second"], team["ivan"], force=True)
    assert (inactive.status_code, inactive.json()["detail"]) == (
        409, "Ivan is not active; activate the operator first.",
    )  # fmt: skip
    assert (await give(admin, UUID(int=7), team["olga"])).status_code == 404
    await admin.post(f"/contacts/{team['second']}/close")
    closed = await give(admin, team["second"], team["olga"], force=True)
    assert (closed.status_code, "is closed" in closed.json()["detail"]) == (409, True)
    assert [row["action"] for row in await all_items(admin, "/audit")] == ["contact.closed"]


async def test_a_waiting_contact_says_what_would_move_it(
    admin: httpx2.AsyncClient, engine: AsyncEngine, team: Team
) -> None:
    """Who would have to free a place, be activated or get a weight, and how many older ones go first."""
    ways = "Any of these would serve it: a place free at Olga; a weight for Ivan."
    await take(engine, messages(("m2", "m3"), leads=2))
    seen = [(await admin.get(f"/contacts/{c.id}")).json()["waiting_for"] for c in await all_contacts(engine)]
    assert seen == [
        None,
        ways,
        f"1 older contact of the source goes first. {ways}",
        f"2 older contacts of the source go first. {ways}",
    ]
    await change_operator(engine, team["olga"], is_active=False)
    waiting = (await admin.get(f"/contacts/{team['second']}")).json()
    assert waiting["waiting_for"] == "Any of these would serve it: activating Olga; a weight for Ivan."
    await admin.put("/sources/1/operators", json={"operators": []})
    waiting = (await admin.get(f"/contacts/{team['second']}")).json()
    assert waiting["waiting_for"] == "Give the source an operator."
