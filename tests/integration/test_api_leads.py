"""Leads with their contacts over HTTP."""

import dataclasses

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.app import create_app
from admin_api.http.app_context import Context
from distribution.intake.decoder import Decoder
from tests.factories import SOURCE, make_operator, make_source, message, take
from tests.integration.api_client import MAX_BYTES, TOKENS, all_items, client

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
        assert (await admin.get(f"/leads/{lead['id']}")).json() == lead | {"possible_duplicates": []}


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


async def test_details_are_found_however_they_are_written(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """As they were sent, or any other spelling of the same number or address; a + may come unencoded."""
    await make_source(engine, {})
    await take(engine, [message("m0", "tg:1", phone="+79991234567", email="anna@example.com")])
    await take(engine, [message("m1", "tg:2", phone="+7 (999) 123-45-67", email="anna@EXAMPLE.com")])
    await take(engine, [message("m2", "tg:3", phone="89991234567", email="Anna@example.com")])
    for query, expected in (
        ("phone=%2B79991234567", ["tg:2", "tg:1"]),
        ("phone=%2B7%20999%20123-45-67", ["tg:2", "tg:1"]),
        ("phone=+79991234567", ["tg:2", "tg:1"]),
        ("phone=89991234567", ["tg:3"]),
        ("phone=79991234567", []),
        ("email=anna@example.com", ["tg:3", "tg:2", "tg:1"]),
        ("email=%20anna@Example.Com", ["tg:3", "tg:2", "tg:1"]),
        ("email=Anna%20%3Canna@example.com%3E", ["tg:3", "tg:2", "tg:1"]),
        ("email=nobody@example.com", []),
        ("phone=%2B79991234567&email=Anna@example.com", ["tg:2", "tg:1"]),
        ("phone=%2B79991234567&email=nobody@example.com", []),
    ):
        answer = await admin.get(f"/leads?{query}")
        assert [lead["external_id"] for lead in answer.json()["items"]] == expected, query


async def test_a_lead_names_its_possible_duplicates(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Others with the same phone or e-mail, as sent, the newest first, and what they share; itself it does not name."""
    await make_source(engine, {})
    said: list[dict[str, str]] = [
        {"phone": "+79991234567", "email": "anna@example.com"},
        {"phone": "+7 999 123 45 67"},
        {"phone": "+7-999-123-45-67", "email": "anna@EXAMPLE.com"},
        {"phone": "+79990000000", "email": "anna@Example.com"},
        {"phone": "123", "email": "a@b"},
        {"phone": "123", "email": "a@b"},
        {},
    ]
    for number, details in enumerate(said):
        await take(engine, [message(f"m{number}", f"tg:{number}", **details)])
    expected = [["tg:3 email", "tg:2 phone email", "tg:1 phone"], ["tg:2 phone", "tg:0 phone"]]
    for lead_id, others in enumerate(expected, start=1):
        found = (await admin.get(f"/leads/{lead_id}")).json()["possible_duplicates"]
        assert [" ".join([other["external_id"], *other["same"]]) for other in found] == others
        for other in found:
            sent = said[other["id"] - 1]
            assert (other["phone"], other["email"]) == (sent.get("phone"), sent.get("email"))
    for lead_id in (5, 6, 7):
        assert (await admin.get(f"/leads/{lead_id}")).json()["possible_duplicates"] == []


SAME_NUMBER = [
    ("+5511987654321", "+551187654321", "+55 (11) 8765-4321", "tel:+55-11-98765-4321"),
    ("+5215512345678", "+525512345678", "0052 1 55 1234 5678", "+52\u200b55 1234 5678"),
    ("+5491123456789", "+541123456789", "+54 11 15 2345-6789", "\u200e+54 9 11 2345-6789\u200f"),
    ("+4930123456", "+49 (0) 30 123456", "0049 30 123456", "tel:030-123456;phone-context=+49"),
]
SAME_ADDRESS = [
    ("anna@example.com", "Anna@Example.COM", "mailto:anna@example.com", "Anna <anna@example.com>"),
    ("petr@example.com", "petr@example.com.", "p\u200betr@example.com\ufeff", "<petr@example.com>"),
]


@pytest.mark.parametrize(("detail", "ways"), [("phone", w) for w in SAME_NUMBER] + [("email", w) for w in SAME_ADDRESS])
async def test_the_same_customer_written_in_several_ways(
    admin: httpx2.AsyncClient, engine: AsyncEngine, detail: str, ways: tuple[str, ...]
) -> None:
    """Each way finds all of them, each lead names the others, is shown as it was told, and stays a lead of its own."""
    await make_source(engine, {})
    await take(engine, [message(f"m{number}", f"tg:{number}", **{detail: way}) for number, way in enumerate(ways)])
    newest_first = [f"tg:{number}" for number in range(len(ways) - 1, -1, -1)]
    for number, way in enumerate(ways):
        items = await all_items(admin, "/leads", **{detail: way})
        assert [lead["external_id"] for lead in items] == newest_first, way
        assert [lead[detail] for lead in items] == list(reversed(ways))
        [mine] = await all_items(admin, "/leads", external_id=f"tg:{number}")
        named = (await admin.get(f"/leads/{mine['id']}")).json()["possible_duplicates"]
        assert [lead["external_id"] for lead in named] == [other for other in newest_first if other != f"tg:{number}"]
        assert all(lead["same"] == [detail] for lead in named)


async def test_a_landline_is_nobody_else_s_mobile_number(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A Brazilian landline is found by itself alone, and suggests nobody whose number has a ninth digit."""
    await make_source(engine, {})
    numbers = ("+551133334444", "+5511933334444", "+55 11 3333-4444")
    await take(engine, [message(f"m{number}", f"tg:{number}", phone=phone) for number, phone in enumerate(numbers)])
    for phone, expected in ((numbers[0], ["tg:2", "tg:0"]), (numbers[1], ["tg:1"])):
        assert [lead["external_id"] for lead in await all_items(admin, "/leads", phone=phone)] == expected
    [landline] = await all_items(admin, "/leads", external_id="tg:0")
    named = (await admin.get(f"/leads/{landline['id']}")).json()["possible_duplicates"]
    assert [lead["external_id"] for lead in named] == ["tg:2"]


async def test_possible_duplicates_are_at_most_twenty(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The newest of them; an old one that shares more does not hide what it shares."""
    await make_source(engine, {})
    phone, email = "+79991234567", "anna@example.com"
    await take(engine, [message("m", "asked", phone=phone, email=email)])
    await take(engine, [message("both", "both", phone=phone, email=email)])
    await take(engine, [message(f"m{number:02}", f"tg:{number:02}", phone=phone) for number in range(19)])
    found = (await admin.get("/leads/1")).json()["possible_duplicates"]
    assert [other["external_id"] for other in found] == [f"tg:{number:02}" for number in range(18, -1, -1)] + ["both"]
    assert found[-1]["same"] == ["phone", "email"]
    await take(engine, [message("last", "last", email=email)])
    found = (await admin.get("/leads/1")).json()["possible_duplicates"]
    assert (len(found), found[0]["external_id"], found[-1]["external_id"]) == (20, "last", "tg:00")


async def test_a_country_may_stand_for_numbers_without_their_code(context: Context, engine: AsyncEngine) -> None:
    """With DEFAULT_PHONE_REGION a number as people dial it at home is the same as with its country's code."""
    await make_source(engine, {})
    app = create_app(dataclasses.replace(context, decoder=Decoder(MAX_BYTES, "RU")))
    async with client(app, TOKENS["admin"]) as admin:
        for number, phone in enumerate(("8 (999) 123-45-67", "+79991234567")):
            body = {
                "source": SOURCE,
                "lead": {"external_id": f"tg:{number}", "phone": phone},
                "message_id": f"{number}",
            }
            assert (await admin.post("/contacts", json=body)).status_code == 201
        for phone in ("9991234567", "+7 999 1234567"):
            found = await all_items(admin, "/leads", phone=phone)
            assert [lead["external_id"] for lead in found] == ["tg:1", "tg:0"], phone
