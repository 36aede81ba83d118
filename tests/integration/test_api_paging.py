"""Lists, page by page."""

from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import make_operator, make_source, message, messages, take
from tests.integration.api_client import all_items, fields_of

LISTS = ("/operators", "/sources", "/contacts", "/leads", "/parked", "/audit")


async def test_pages_hold_every_item_exactly_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """For any page size, also where the last page is full."""
    for number in range(6):
        await make_source(engine, {await make_operator(engine): 1}, f"source-{number}")
    await take(engine, messages((f"m{n}" for n in range(6)), leads=6, source="source-0"))
    await take(engine, [message(f"p{n}", source="fax") for n in range(6)])
    for number in range(6):
        await admin.patch("/operators/1", json={"name": f"Olga {number}"})
    for path in LISTS:
        whole = (await admin.get(path)).json()
        assert (len(whole["items"]), whole["next_cursor"]) == (6, None)
        for limit in (1, 2, 3, 5, 6, 200):
            assert await all_items(admin, path, limit=limit) == whole["items"], (path, limit)


async def test_what_is_made_meanwhile_disturbs_no_page(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Newest first: everything that was there at the start comes once, what came later is before the first page."""
    await make_source(engine, {})
    await take(engine, messages((f"m{n:02}" for n in range(20)), leads=20))
    seen: list[Any] = []
    leads: list[Any] = []
    params: dict[str, Any] = {"limit": 3}
    lead_params: dict[str, Any] = {"limit": 3}
    for number in range(7):
        page = (await admin.get("/contacts", params=params)).json()
        lead_page = (await admin.get("/leads", params=lead_params)).json()
        seen += [item["message_id"] for item in page["items"]]
        leads += [item["external_id"] for item in lead_page["items"]]
        params["cursor"], lead_params["cursor"] = page["next_cursor"], lead_page["next_cursor"]
        await take(engine, [message(f"later-{number}", f"later-{number}")])
    assert seen == [f"m{n:02}" for n in reversed(range(20))]
    assert params["cursor"] is None
    assert sorted(leads) == sorted(f"lead-{n}" for n in range(20))


async def test_fifty_is_the_usual_page_and_two_hundred_the_largest(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """The contract's limits."""
    await make_source(engine, {})
    await take(engine, messages((f"m{n}" for n in range(230)), leads=230))
    for path in ("/contacts", "/leads"):
        assert len((await admin.get(path)).json()["items"]) == 50
        assert len((await admin.get(path, params={"limit": 200})).json()["items"]) == 200
        assert len(await all_items(admin, path, limit=200)) == 230


async def test_a_wrong_parameter_is_named(admin: httpx2.AsyncClient) -> None:
    """422 names the parameter: a bad value, an unknown name, one given twice."""
    bad_limits = ("0", "201", "-1", "x", "", "1.0", "1_0", " 1", "9" * 30, "%00", "٣")
    bad_cursors = ("", "x", "a=b", "AAAA", "%00", "!" * 11, "A" * 300, "7", "AAAAAAAAAAB", "__________8")
    for path in LISTS:
        for text in bad_limits:
            assert fields_of(await admin.get(f"{path}?limit={text}")) == ["limit"], (path, text)
        for text in bad_cursors:
            assert fields_of(await admin.get(f"{path}?cursor={text}")) == ["cursor"], (path, text)
        assert fields_of(await admin.get(f"{path}?offset=1")) == ["offset"]
        assert fields_of(await admin.get(f"{path}?limit=1&limit=2")) == ["limit"]
        assert fields_of(await admin.get(f"{path}?a%00b=1")) == ["a\0b"]


async def test_a_wrong_filter_is_named(admin: httpx2.AsyncClient) -> None:
    """422 names the filter."""
    for path, name, values in (
        ("/contacts", "status", ("open", "", "ACTIVE", "%00")),
        ("/contacts", "source", ("No Body", "", "a%00", "x" * 65)),
        ("/contacts", "operator_id", ("x", "", "0", "-1", str(2**63), "9" * 40, "1.5", "%00")),
        ("/contacts", "lead_id", ("x", "", str(2**63))),
        ("/contacts", "created_from", ("yesterday", "", "2026-11-23", "2026-11-23T10:00:00", "1763892000", "%00")),
        ("/contacts", "created_to", ("2026-13-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-11-23T10:00:00+99:00")),
        ("/leads", "external_id", ("", "%00", "x" * 256)),
        ("/leads", "phone", ("", "a%00b")),
        ("/leads", "email", ("", "%00")),
        ("/parked", "state", ("open", "", "%00")),
        ("/parked", "code", ("other", "", "%00")),
        ("/parked", "source", ("No Body", "")),
        ("/audit", "object_kind", ("lead", "", "%00")),
        ("/audit", "object_id", ("", "%00")),
        ("/audit", "action", ("operator.sold", "")),
        ("/audit", "role", ("boss", "")),
        ("/audit", "name", ("", "%00", "x" * 256)),
    ):
        for value in values:
            assert fields_of(await admin.get(f"{path}?{name}={value}")) == [name], (path, name, value)


async def test_operations_without_parameters_take_none(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A query where there is nothing to ask is refused before anything is changed."""
    path = f"/operators/{await make_operator(engine)}"
    assert fields_of(await admin.delete(f"{path}?force=true")) == ["force"]
    assert fields_of(await admin.post("/operators?dry=1", json={"name": "Olga"})) == ["dry"]
    assert len(await all_items(admin, "/operators")) == 1
