"""Contacts over HTTP: submitted once per key, listed, explained."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import outbox
from distribution.store.transactions import reading
from tests.factories import SOURCE, all_contacts, all_events, loads, make_operator, make_source, message, take
from tests.integration.api_client import TOKENS, ClientOf, all_items, fields_of

SHAPE = {
    "id", "status", "lead_id", "source_id", "operator_id", "message_id", "payload", "created_at", "assigned_at",
    "closed_at",
}  # fmt: skip
ONE = {*SHAPE, "lead", "source", "operator"}
ENTRY = {"sequence", "type", "time", "operator_id", "previous_operator", "reason", "decision", "explanation"}
LEAD: dict[str, Any] = {"external_id": "tg:1001", "phone": "+79991234567", "email": "anna@example.com"}
PAYLOADS: list[Any] = [None, "", "a\0b", [], {}, 0, -1.5e-7, 10**60, True, {"ключ": ["🙂", {"a": None}]}]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def body(key: str | None = "m1", **changes: Any) -> dict[str, Any]:
    """A submission, with its key unless that is None."""
    found = {"source": SOURCE, "lead": LEAD, "payload": {"text": "Where?"}} | changes
    return found if key is None else found | {"message_id": key}


async def test_a_submission_makes_a_contact_with_its_operator(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """201 with the contact, its lead, source and operator; the event that says so is in the outbox."""
    operator_id = await make_operator(engine, "Olga")
    source_id = await make_source(engine, {operator_id: 1})
    answer = await admin.post("/contacts", json=body())
    contact = answer.json()
    assert answer.status_code == 201
    assert set(contact) == ONE
    assert contact["status"] == "active"
    assert contact["payload"] == {"text": "Where?"}
    assert contact["operator"] == {"id": operator_id, "name": "Olga"}
    assert contact["source"] == {"id": source_id, "code": SOURCE}
    assert contact["lead"] == {"id": contact["lead_id"], **LEAD}
    assert answer.headers["location"] == f"/api/v1/contacts/{contact['id']}"
    [event] = await all_events(engine)
    assert (event["type"], event["subject"]) == ("contact.assigned", contact["id"])
    assert event["data"]["contact"]["created_at"] == contact["created_at"]


async def test_a_contact_that_nobody_can_take_waits(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """201, without an operator."""
    await make_source(engine, {})
    contact = (await admin.post("/contacts", json=body())).json()
    assert (contact["status"], contact["operator"], contact["operator_id"], contact["assigned_at"]) == (
        "waiting", None, None, None,
    )  # fmt: skip


async def test_the_same_key_is_the_same_contact(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """200 with the same contact; with another body 409; over the broker the same key is known too."""
    await make_source(engine, {await make_operator(engine): 1})
    first = await admin.post("/contacts", json=body())
    again = await admin.post("/contacts", json=body())
    assert (again.status_code, again.json()) == (200, first.json())
    other = await admin.post("/contacts", json=body(payload="other"))
    assert other.status_code == 409
    assert other.json()["type"].endswith(":key-reuse")
    await take(engine, [message("m1", source=SOURCE, payload={"text": "Where?"}, **{k: LEAD[k] for k in LEAD})])
    assert len(await all_contacts(engine)) == 1


async def test_one_key_at_the_same_time_makes_one_contact(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Of twenty requests at once exactly one is 201, the others are 200 with the same contact."""
    await make_source(engine, {await make_operator(engine): 1})
    answers = await asyncio.gather(*(admin.post("/contacts", json=body()) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    await loads(engine)


async def test_the_key_may_come_in_the_header(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Header and body name the same key, either alone will do."""
    await make_source(engine, {})
    header = {b"Idempotency-Key": "ключ".encode()}
    made = await admin.post("/contacts", json=body(None), headers=header)
    assert (made.status_code, made.json()["message_id"]) == (201, "ключ")
    assert (await admin.post("/contacts", json=body("ключ"))).status_code == 200
    assert (await admin.post("/contacts", json=body("ключ"), headers=header)).status_code == 200


async def test_a_key_that_cannot_be_kept_is_named(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """None, empty, too long, not text, NUL, or two that differ: 422 and no contact."""
    await make_source(engine, {})
    for key in (None, "", "x" * 256, "ä" * 128, "a\0b"):
        assert fields_of(await admin.post("/contacts", json=body(key))) == ["message_id"], key
    assert fields_of(await admin.post("/contacts", json=body(None) | {"message_id": 7})) == ["message_id"]
    differing = await admin.post("/contacts", json=body("a"), headers={"Idempotency-Key": "b"})
    assert fields_of(differing) == ["message_id"]
    not_text = await admin.post("/contacts", json=body(None), headers={b"Idempotency-Key": b"\xff"})
    assert fields_of(not_text) == ["Idempotency-Key"]
    assert await all_contacts(engine) == []


async def test_a_wrong_submission_is_named_and_unknown_fields_are_ignored(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """As a message would be parked with the field, a request is refused with it."""
    await make_source(engine, {})
    for changes, field in (
        ({"source": "nobody"}, "source"),
        ({"source": "No Body"}, "source"),
        ({"source": None}, "source"),
        ({"lead": {}}, "lead.external_id"),
        ({"lead": None}, "lead"),
        ({"lead": {"external_id": ""}}, "lead.external_id"),
        ({"lead": {"external_id": "a\0"}}, "lead.external_id"),
        ({"lead": {"external_id": "x" * 256}}, "lead.external_id"),
        ({"lead": {"external_id": "x", "phone": 7}}, "lead.phone"),
        ({"lead": {"external_id": "x", "email": "\0"}}, "lead.email"),
    ):
        assert fields_of(await admin.post("/contacts", json=body(**changes))) == [field], changes
    assert (await admin.post("/contacts", json=body(colour="red", lead=LEAD | {"age": 7}))).status_code == 201


async def test_any_payload_comes_back_as_it_went_in(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Every JSON value, also none, NUL characters and numbers that no 64 bits hold."""
    await make_source(engine, {})
    for number, payload in enumerate(PAYLOADS):
        contact = (await admin.post("/contacts", json=body(f"m{number}", payload=payload))).json()
        assert contact["payload"] == payload
        assert (await admin.get(f"/contacts/{contact['id']}")).json()["payload"] == payload
    without = body("without")
    del without["payload"]
    assert (await admin.post("/contacts", json=without)).json()["payload"] is None


async def test_the_trace_is_carried(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A well-formed traceparent goes with the event, another is left out."""
    await make_source(engine, {})
    for number, trace in enumerate((TRACE, "nonsense")):
        await admin.post("/contacts", json=body(f"m{number}"), headers={"traceparent": trace})
    async with reading(engine) as conn:
        kept = (await conn.scalars(sa.select(outbox.c.traceparent).order_by(outbox.c.id))).all()
    assert kept == [TRACE, None]


async def test_a_bot_submits_and_reads_nothing(client_of: ClientOf, engine: AsyncEngine) -> None:
    """201 for a submission, 403 for every list."""
    await make_source(engine, {})
    bot = client_of(TOKENS["bot"])
    assert (await bot.post("/contacts", json=body())).status_code == 201
    assert (await bot.get("/contacts")).status_code == 403


async def test_a_contact_is_explained(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The history holds the wait and the assignment, each with its decision and a sentence."""
    operator_id = await make_operator(engine, "Olga", 0)
    await make_source(engine, {operator_id: 1})
    contact_id = (await admin.post("/contacts", json=body())).json()["id"]
    await admin.patch(f"/operators/{operator_id}", json={"max_active_contacts": 1})
    contact = (await admin.get(f"/contacts/{contact_id}")).json()
    assert set(contact) == {*ONE, "history", "waiting_for"}
    waiting, assigned = contact["history"]
    assert set(waiting) == set(assigned) == ENTRY
    assert (waiting["sequence"], waiting["type"], waiting["operator_id"]) == (1, "contact.waiting", None)
    assert waiting["explanation"] == "Waiting: nobody is eligible. Left out: Olga (at limit 0)."
    assert (assigned["sequence"], assigned["type"], assigned["operator_id"]) == (2, "contact.assigned", operator_id)
    assert assigned["decision"]["candidates"][0]["name"] == "Olga"
    assert assigned["time"] == contact["assigned_at"]


async def test_what_is_no_contact_is_not_found(admin: httpx2.AsyncClient) -> None:
    """404 for an unknown UUID and for what is none."""
    for key in (UUID(int=7), "abc", "7", "%00", "0" * 32, "urn:uuid:" + "0" * 27, "0" * 36):
        assert (await admin.get(f"/contacts/{key}")).status_code == 404, key
        assert (await admin.get(f"/parked/{key}")).status_code == 404, key


async def test_contacts_are_filtered_newest_first(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Every filter by itself and together; ranges take their start in and leave their end out."""
    operator_id = await make_operator(engine, limit=2)
    await make_source(engine, {operator_id: 1})
    await make_source(engine, {}, "web")
    for number in range(3):
        await take(engine, [message(f"m{number}", f"lead-{number}")])
    await take(engine, [message("w", "lead-0", source="web")])
    everything = await all_items(admin, "/contacts")
    assert [c["message_id"] for c in everything] == ["w", "m2", "m1", "m0"]
    assert all(set(c) == SHAPE for c in everything)
    middle = everything[1]["created_at"]
    earlier = [c["message_id"] for c in everything if c["created_at"] < middle]
    for params, keys in (
        ({"status": "waiting"}, ["w", "m2"]),
        ({"status": "active"}, ["m1", "m0"]),
        ({"status": "closed"}, []),
        ({"source": "web"}, ["w"]),
        ({"source": "fax"}, []),
        ({"operator_id": operator_id}, ["m1", "m0"]),
        ({"operator_id": 2**63 - 1}, []),
        ({"lead_id": everything[0]["lead_id"]}, ["w", "m0"]),
        ({"lead_id": everything[0]["lead_id"], "source": SOURCE, "status": "active"}, ["m0"]),
        ({"created_to": middle}, earlier),
        ({"created_from": middle}, [c["message_id"] for c in everything if c["created_at"] >= middle]),
        ({"created_from": "0001-01-01T00:00:00Z", "created_to": "9999-12-31T23:59:59+14:00"}, ["w", "m2", "m1", "m0"]),
        ({"created_from": "9999-12-31T23:59:59-14:00"}, []),
        # A + that was not written %2B arrives as a space.
        ({"created_from": "0001-01-01T00:00:00 02:00", "created_to": "9999-12-31 23:59 0530"}, ["w", "m2", "m1", "m0"]),
        ({"created_from": "9999-12-31T23:59:59.123 14:00"}, []),
    ):
        assert [c["message_id"] for c in await all_items(admin, "/contacts", **params)] == keys, params
