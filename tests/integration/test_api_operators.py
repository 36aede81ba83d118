"""Operators over HTTP."""

from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import make_operator, make_source, message, take
from tests.integration.api_client import fields_of

SHAPE = {"id", "name", "is_active", "max_active_contacts", "load", "created_at"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": " \t"}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"name": None}, "name"),
    ({"name": 7}, "name"),
    ({"name": "x", "max_active_contacts": "1"}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": True}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": 1.5}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": -1}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": 1_000_001}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": 10**40}, "max_active_contacts"),
    ({"name": "x", "max_active_contacts": None}, "max_active_contacts"),
    ({"name": "x", "is_active": 1}, "is_active"),
    ({"name": "x", "is_active": "true"}, "is_active"),
    ({"name": "x", "is_aktive": True}, "is_aktive"),
    ({"name": "x", "load": 3}, "load"),
]
NO_IDS = ("0", "-1", "9" * 19, "9" * 30, "1.0", "abc", "%00", "1%00", "%D9%A3", "1 ", "+1")


async def test_is_made_with_the_contracts_defaults_and_shown(admin: httpx2.AsyncClient) -> None:
    """A name is enough; what is answered is what is shown later."""
    made = await admin.post("/operators", json={"name": "Olga"})
    assert made.status_code == 201
    operator = made.json()
    assert set(operator) == SHAPE
    assert (operator["name"], operator["is_active"], operator["max_active_contacts"], operator["load"]) == (
        "Olga", True, 10, 0,
    )  # fmt: skip
    assert operator["created_at"].endswith("Z")
    assert made.headers["location"] == f"/api/v1/operators/{operator['id']}"
    assert (await admin.get(f"/operators/{operator['id']}")).json() == operator


async def test_limits_at_their_ends_are_taken(admin: httpx2.AsyncClient) -> None:
    """0 and a million are both limits."""
    for limit in (0, 1_000_000):
        body = {"name": "x" * 200, "is_active": False, "max_active_contacts": limit}
        assert (await admin.post("/operators", json=body)).json()["max_active_contacts"] == limit


async def test_a_wrong_field_is_named_and_nothing_is_made(admin: httpx2.AsyncClient) -> None:
    """422 names the field, also a misspelt one, and the list stays empty."""
    for body, field in WRONG:
        assert fields_of(await admin.post("/operators", json=body)) == [field], body
    assert (await admin.get("/operators")).json() == {"items": [], "next_cursor": None}


async def test_a_patch_changes_only_what_it_names(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Each field by itself; an empty one changes nothing."""
    operator = (await admin.get(f"/operators/{await make_operator(engine, 'Olga', 5)}")).json()
    path = f"/operators/{operator['id']}"
    for change in ({}, {"name": "Olga P."}, {"max_active_contacts": 7}, {"is_active": False}):
        operator |= change
        answer = await admin.patch(path, json=change)
        assert (answer.status_code, answer.json()) == (200, operator)


async def test_null_is_no_value(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A PATCH with null is refused, not read as unchanged."""
    path = f"/operators/{await make_operator(engine)}"
    for field in ("name", "is_active", "max_active_contacts"):
        assert fields_of(await admin.patch(path, json={field: None})) == [field]


async def test_taking_room_away_takes_no_contact_away(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A limit below the load, or no activity, leaves every contact where it is."""
    operator_id = await make_operator(engine, limit=3)
    await make_source(engine, {operator_id: 1})
    await take(engine, [message(f"m{n}") for n in range(3)])
    path = f"/operators/{operator_id}"
    assert (await admin.patch(path, json={"max_active_contacts": 1})).json()["load"] == 3
    assert (await admin.patch(path, json={"is_active": False})).json()["load"] == 3


async def test_goes_with_its_weights_while_it_has_no_history(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """204, then 404; its weight is gone too."""
    operator_id = await make_operator(engine)
    source_id = await make_source(engine, {operator_id: 1})
    assert (await admin.delete(f"/operators/{operator_id}")).status_code == 204
    assert (await admin.get(f"/operators/{operator_id}")).status_code == 404
    assert (await admin.get(f"/sources/{source_id}/operators")).json() == {"operators": []}


async def test_stays_while_a_contact_names_it(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """409 says what to do instead."""
    operator_id = await make_operator(engine)
    await make_source(engine, {operator_id: 1})
    await take(engine, [message("m1")])
    refused = await admin.delete(f"/operators/{operator_id}")
    assert refused.status_code == 409
    assert "deactivate" in refused.json()["detail"]
    assert (await admin.get(f"/operators/{operator_id}")).json()["load"] == 1


async def test_what_cannot_be_an_id_is_not_found(admin: httpx2.AsyncClient) -> None:
    """404 for every method and every kind of numeric id."""
    for key in NO_IDS:
        await check_not_found(admin, key)


async def check_not_found(admin: httpx2.AsyncClient, key: str) -> None:
    """404 wherever this stands for an id."""
    for path in (f"/operators/{key}", f"/sources/{key}", f"/leads/{key}", f"/sources/{key}/operators"):
        assert (await admin.get(path)).status_code == 404
    assert (await admin.patch(f"/operators/{key}", json={})).status_code == 404
    assert (await admin.delete(f"/operators/{key}")).status_code == 404
    assert (await admin.delete(f"/sources/{key}")).status_code == 404
    assert (await admin.patch(f"/sources/{key}", json={})).status_code == 404
    assert (await admin.put(f"/sources/{key}/operators", json={"operators": []})).status_code == 404
