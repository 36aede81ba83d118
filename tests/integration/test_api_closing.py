"""Contacts closed over HTTP: once, with a reason, and their place given on."""

from uuid import UUID

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import all_contacts, all_events, loads, make_operator, make_source, message, messages, take
from tests.integration.api_client import TOKENS, ClientOf, all_items, fields_of


async def test_a_close_frees_the_place_for_the_oldest_that_waits(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """200 with the contact; the event, the reason, who is served; closing it again changes nothing."""
    operator_id = await make_operator(engine, "Olga", 1)
    await make_source(engine, {operator_id: 1})
    await take(engine, messages(("m0", "m1", "m2"), leads=3))
    first, second, third = await all_contacts(engine)
    answer = await admin.post(f"/contacts/{first.id}/close", json={"reason": "solved."})
    closed = answer.json()
    assert (answer.status_code, closed["status"], closed["operator_id"]) == (200, "closed", operator_id)
    assert closed["history"][-1]["explanation"] == "Closed: solved."
    assert closed["history"][-1]["time"] == closed["closed_at"]
    assert [contact.status for contact in await all_contacts(engine)] == ["closed", "active", "waiting"]
    assert [(event["type"], event["subject"]) for event in (await all_events(engine))[3:]] == [
        ("contact.closed", str(first.id)), ("contact.assigned", str(second.id)),
    ]  # fmt: skip
    again = await admin.post(f"/contacts/{first.id}/close", json={"reason": "another"})
    assert (again.status_code, again.json()) == (200, closed)
    assert again.headers["etag"] == answer.headers["etag"]
    waiting = (await admin.post(f"/contacts/{third.id}/close")).json()
    assert (waiting["status"], waiting["history"][-1]["explanation"]) == ("closed", "Closed.")
    assert await loads(engine) == {operator_id: 1}
    assert len(await all_items(admin, "/audit")) == 2


async def test_a_bot_closes_and_reads_no_history(client_of: ClientOf, engine: AsyncEngine) -> None:
    """Without a body, with an empty one, with null and with a blank: each is no reason."""
    await make_source(engine, {})
    await take(engine, messages(f"m{n}" for n in range(4)))
    contacts = await all_contacts(engine)
    for contact, body in zip(contacts, (b"", b"{}", b'{"reason": null}', b'{"reason": " "}'), strict=True):
        answer = await client_of(TOKENS["bot"]).post(f"/contacts/{contact.id}/close", content=body)
        assert (answer.status_code, answer.json()["status"]) == (200, "closed")
        assert not {"history", "waiting_for"} & set(answer.json())
    rows = await all_items(client_of(TOKENS["viewer"]), "/audit")
    assert [(row["role"], row["after"]["reason"]) for row in rows] == [("bot", None)] * 4


async def test_what_cannot_be_closed_is_told(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """404 for an unknown contact, 422 for a wrong reason; the contact stays as it was."""
    await make_source(engine, {})
    await take(engine, [message("m")])
    [contact] = await all_contacts(engine)
    for key in (UUID(int=7), "abc", "%00"):
        assert (await admin.post(f"/contacts/{key}/close")).status_code == 404
    for reason in (7, "x" * 256, "a\0b", ["x"]):
        assert fields_of(await admin.post(f"/contacts/{contact.id}/close", json={"reason": reason})) == ["reason"]
    assert fields_of(await admin.post(f"/contacts/{contact.id}/close", json={"why": "x"})) == ["why"]
    assert (await all_contacts(engine))[0].status == "waiting"
