"""Lists of large things: bounded in bytes, whatever the number of their items."""

import tracemalloc
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.audit import Action, record
from distribution.messages import Incoming
from distribution.optimistic_locking import Actor
from distribution.store.contact_states import MOVED_BYTES
from distribution.store.pagination import LIST_BYTES
from distribution.store.transactions import transaction
from tests.factories import make_operator, make_source, message, take
from tests.integration.api_client import ORIGIN, all_items

EIGHTH = LIST_BYTES // 8
LARGE = 250_000
PEAK_BYTES = 24 * 1024 * 1024


async def send(engine: AsyncEngine, *payloads: object, lead: str = "lead") -> None:
    """One contact of a lead with each of these payloads, in this order."""
    for number, payload in enumerate(payloads):
        await take(engine, [message(f"{lead} {number}", lead, payload=payload)])


def text(size: int) -> str:
    """A payload of so many bytes as JSON."""
    return "x" * (size - 2)


def shown(items: list[Any]) -> list[bool]:
    """Whether each contact has its payload; one that has none says so."""
    for item in items:
        assert item.get("payload_omitted", item["payload"] is None) is (item["payload"] is None)
    return ["payload_omitted" not in item for item in items]


async def test_payloads_are_listed_up_to_exactly_one_mebibyte(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Exactly as much is shown, a byte more is not; after the first payload that is left out none is shown."""
    await make_source(engine, {})
    await send(engine, "small", *[text(EIGHTH)] * 8)
    assert shown((await admin.get("/contacts")).json()["items"]) == [True] * 8 + [False]
    assert shown((await admin.get("/contacts", params={"limit": 8})).json()["items"]) == [True] * 8
    await send(engine, "small", *[text(EIGHTH)] * 7, text(EIGHTH + 1), lead="other")
    [other, lead] = await all_items(admin, "/leads")
    assert shown(other["contacts"]) == [True] * 7 + [False] * 2
    assert shown(lead["contacts"]) == [False] * 9
    assert shown((await admin.get(f"/leads/{lead['id']}")).json()["contacts"]) == [True] * 8 + [False]


async def test_bytes_count_and_not_characters(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Payloads in another script or of emoji have fewer characters than bytes."""
    await make_source(engine, {})
    await send(engine, *["\N{SLICE OF PIZZA}" * (LIST_BYTES // 16 // 4)] * 16)
    assert shown((await admin.get("/contacts")).json()["items"]) == [True] * 15 + [False]


async def test_a_contact_by_its_id_has_its_payload_always(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """What a list leaves out is one request away, and only there is no flag."""
    await make_source(engine, {})
    await send(engine, *[text(LARGE)] * 5)
    oldest = (await all_items(admin, "/contacts"))[-1]
    assert (oldest["payload"], oldest["payload_omitted"]) == (None, True)
    one = (await admin.get(f"/contacts/{oldest['id']}")).json()
    assert (one["payload"], "payload_omitted" in one) == (text(LARGE), False)


@pytest.mark.parametrize(("path", "contacts"), [("/leads?limit=15", 15 * 20), ("/contacts?limit=200", 200)])
async def test_lists_of_large_contacts_stay_small(
    admin: httpx2.AsyncClient, engine: AsyncEngine, path: str, contacts: int
) -> None:
    """15 leads with 20 contacts of 250 kB each: a response of little more than 1 MiB, made in little memory."""
    await make_source(engine, {})
    for number in range(20):
        large = text(LARGE)
        await take(engine, [message(f"m {number} {lead}", f"lead {lead}", payload=large) for lead in range(15)])
    tracemalloc.start()
    try:
        answer = await admin.get(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(answer.content) < LIST_BYTES + contacts * 1000
    assert peak < PEAK_BYTES
    items = answer.json()["items"]
    found = [contact for item in items for contact in item.get("contacts", [item])]
    assert shown(found) == [True] * 4 + [False] * (contacts - 4)


async def test_large_contacts_are_moved_away_in_several_transactions(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """One holds every contact that it moves, and its event: their payloads are bounded, not their number alone."""
    olga = await make_operator(engine)
    await make_source(engine, {olga: 1})
    number = MOVED_BYTES // LARGE + 1
    for key in range(number):
        await take(engine, [message(f"m{key}", payload=text(LARGE))])
    leaves: dict[str, Any] = {"json": {"is_active": False}, "params": {"reassign": "true"}}
    assert (await admin.patch(f"/operators/{olga}", **leaves)).json()["load"] == 0
    moved = await all_items(admin, "/audit", action="operator.reassigned")
    assert [row["after"]["load"] for row in reversed(moved)] == [1, 0]


async def test_a_page_of_parked_messages_counts_their_properties(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Headers can be as large as bodies."""
    for number in range(5):
        properties = {"headers": {"long": "x" * LARGE}}
        await take(engine, [Incoming(b"{", message_id=f"m{number}", properties=properties)])
    page = (await admin.get("/parked")).json()
    assert len(page["items"]) == 4
    assert [item["message_id"] for item in await all_items(admin, "/parked")] == ["m4", "m3", "m2", "m1", "m0"]


async def test_a_page_of_the_audit_is_short_where_changes_are_large(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """The weights of a source with thousands of operators are kept before and after every change."""
    for number in range(6):
        state = {"operators": [number, "x" * (LIST_BYTES // 4)]}
        async with transaction(engine) as conn:
            await record(conn, Actor("admin"), Action.SOURCE_WEIGHTS_CHANGED, number, state, {"operators": []})
    assert len((await admin.get("/audit")).json()["items"]) == 3
    assert [row["object_id"] for row in await all_items(admin, "/audit")] == ["5", "4", "3", "2", "1", "0"]


async def test_the_document_says_when_a_payload_is_left_out(admin: httpx2.AsyncClient) -> None:
    """`payload_omitted` is declared for contacts in lists, as something that may be absent, and for no other."""
    schemas = (await admin.get(f"{ORIGIN}/openapi.json")).json()["components"]["schemas"]
    listed = schemas["ListedContact"]
    assert listed["properties"]["payload_omitted"]["const"] is True
    assert "payload_omitted" not in listed["required"]
    assert "1 MiB" in listed["description"]
    assert [name for name, schema in schemas.items() if "payload_omitted" in schema.get("properties", {})] == [
        "ListedContact"
    ]
