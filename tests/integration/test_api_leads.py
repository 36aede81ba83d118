"""Leads with their contacts over HTTP."""

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import make_operator, make_source, message, take
from tests.integration.conftest import all_items

SHAPE = {"id", "external_id", "phone", "email", "created_at", "contacts", "contacts_total"}


async def test_a_lead_holds_its_newest_contacts_and_counts_all(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Of 23 contacts the newest 20, newest first; a lead with few has them all."""
    await make_source(engine, {await make_operator(engine): 1})
    await take(engine, [message(f"m{number:02}", "many") for number in range(23)])
    await take(engine, [message("x0", "few"), message("x1", "few")])
    few, many = await all_items(admin, "/leads")
    assert set(many) == SHAPE
    assert (many["external_id"], many["contacts_total"]) == ("many", 23)
    assert [c["message_id"] for c in many["contacts"]] == [f"m{number:02}" for number in range(22, 2, -1)]
    assert (few["contacts_total"], [c["message_id"] for c in few["contacts"]]) == (2, ["x1", "x0"])
    for lead in (few, many):
        assert (await admin.get(f"/leads/{lead['id']}")).json() == lead


async def test_exactly_twenty_are_all_shown(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """At the edge nothing is lost."""
    await make_source(engine, {})
    await take(engine, [message(f"m{number}", "lead") for number in range(20)])
    [lead] = await all_items(admin, "/leads")
    assert (len(lead["contacts"]), lead["contacts_total"]) == (20, 20)


async def test_leads_are_found_by_each_of_their_details(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """external_id, phone, email: the whole value, alone and together."""
    await make_source(engine, {})
    await take(engine, [message("m0", "tg:1", phone="+7999", email="a@example.com")])
    await take(engine, [message("m1", "tg:2", phone="+7999"), message("m2", "tg:3", email="b@example.com")])
    for params, expected in (
        ({}, ["tg:3", "tg:2", "tg:1"]),
        ({"external_id": "tg:1"}, ["tg:1"]),
        ({"external_id": "tg:"}, []),
        ({"phone": "+7999"}, ["tg:2", "tg:1"]),
        ({"email": "b@example.com"}, ["tg:3"]),
        ({"phone": "+7999", "email": "a@example.com"}, ["tg:1"]),
        ({"phone": "+7999", "email": "b@example.com"}, []),
    ):
        assert [lead["external_id"] for lead in await all_items(admin, "/leads", **params)] == expected, params


async def test_an_unknown_lead_is_not_found(admin: httpx2.AsyncClient) -> None:
    """404, also for the largest id there can be."""
    for key in (1, 2**63 - 1):
        assert (await admin.get(f"/leads/{key}")).status_code == 404
