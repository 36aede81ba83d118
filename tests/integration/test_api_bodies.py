"""Bodies over HTTP are understood as over AMQP: encodings, charsets, CloudEvents, keys and numbers."""

import gzip
import json
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import SOURCE, all_contacts, all_events, body, make_operator, make_source, take
from tests.integration.api_client import fields_of
from tests.integration.rows_before_producers import as_the_release_before_wrote_it, event

PATH = "/contacts"
CLOUDEVENT = {"content-type": "application/cloudevents+json"}


async def test_numbers_come_back_digit_by_digit(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """In the answer, in lists and in one contact, a payload is what was sent."""
    await make_source(engine, {await make_operator(engine): 1})
    payload = b"[12345678901234567.89,1e-400,1E15,-0,1.0,1,123456789012345678901234567890]"
    sent = body().replace(b"null", payload)
    made = await admin.post(PATH, content=sent, headers={"Idempotency-Key": "k"})
    assert made.status_code == 201
    one = await admin.get(f"{PATH}/{made.json()['id']}")
    of_lead = await admin.get(f"/leads/{made.json()['lead_id']}")
    for answer in (made, one, await admin.get(PATH), of_lead):
        assert b'"payload":' + payload in answer.content
    other = sent.replace(b"67.89", b"67.11")
    assert (await admin.post(PATH, content=other, headers={"Idempotency-Key": "k"})).status_code == 409


async def test_gzip_and_a_byte_order_mark_are_taken(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A packed request is a request, also one of an admin."""
    await make_source(engine, {})
    packed = gzip.compress(b"\xef\xbb\xbf" + body())
    headers = {"content-encoding": "gzip", "Idempotency-Key": "k", "content-type": "application/json; charset=utf-8"}
    assert (await admin.post(PATH, content=packed, headers=headers)).status_code == 201
    named = gzip.compress(b"\xef\xbb\xbf" + json.dumps({"name": "Olga"}).encode())
    made = await admin.post("/operators", content=named, headers={"content-encoding": "gzip"})
    assert (made.status_code, made.json()["name"]) == (201, "Olga")


@pytest.mark.parametrize("path", ["/contacts", "/operators"])
@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"content-encoding": "br"}, "'br'"),
        ({"content-encoding": "gzip"}, "not gzip"),
        ({"content-type": "application/json; charset=utf-16"}, "'utf-16'"),
        ({"content-type": "text/plain;charset=ISO-8859-1"}, "'ISO-8859-1'"),
    ],
)
async def test_what_is_not_taken_is_415_and_named(
    admin: httpx2.AsyncClient, path: str, headers: dict[str, str], named: str
) -> None:
    """The sender reads which encoding or charset is not taken."""
    answer = await admin.post(path, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (415, "Unsupported Media Type")
    assert named in answer.json()["detail"]


async def test_what_unpacks_to_too_much_is_413(admin: httpx2.AsyncClient) -> None:
    """A small request cannot fill the memory."""
    vast = gzip.compress(b" " * 50_000_000)
    for path in (PATH, "/operators"):
        assert (await admin.post(path, content=vast, headers={"content-encoding": "gzip"})).status_code == 413


async def test_half_an_emoji_is_replaced(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """U+FFFD stands for it, in what bots and in what admins send."""
    await make_source(engine, {})
    cut = body().replace(b"null", rb'"cut \ud83d"')
    made = await admin.post(PATH, content=cut, headers={"Idempotency-Key": "k"})
    assert (made.status_code, made.json()["payload"]) == (201, "cut \ufffd")
    named = await admin.post("/operators", content=rb'{"name": "Olga \ud83d"}')
    assert (named.status_code, named.json()["name"]) == (201, "Olga \ufffd")


@pytest.mark.parametrize("key", ["h1", '"h1"', ' "h1" '])
async def test_a_quoted_key_is_the_same_key(admin: httpx2.AsyncClient, engine: AsyncEngine, key: str) -> None:
    """The IETF's draft quotes Idempotency-Key, most clients do not."""
    await make_source(engine, {})
    made = await admin.post(PATH, content=body(), headers={"Idempotency-Key": '"h1"'})
    again = await admin.post(PATH, content=body(), headers={"Idempotency-Key": key})
    in_body = await admin.post(PATH, json=json.loads(body()) | {"message_id": "h1"}, headers={"Idempotency-Key": key})
    assert (made.status_code, made.json()["message_id"]) == (201, "h1")
    assert (again.status_code, in_body.status_code) == (200, 200)


async def test_a_quoted_key_of_the_release_before_is_recognised(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """It kept the quotes; the same request again is no second contact."""
    await make_source(engine, {})
    sent = event("/a", payload=9.5)
    await take(engine, [sent])
    await as_the_release_before_wrote_it(engine, sent, '"h1"')
    again = await admin.post(PATH, content=body("x", payload=9.5), headers={"Idempotency-Key": '"h1"'})
    assert again.status_code == 200
    assert len(await all_contacts(engine)) == 1


async def test_cloud_events_are_taken_structured_and_binary(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """As an SDK posts them; the same event over the broker is the same contact."""
    await make_source(engine, {})
    sent = event("/a")
    made = await admin.post(PATH, content=sent.body, headers=CLOUDEVENT)
    assert (made.status_code, made.json()["message_id"]) == (201, "1")
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/%61", "ce-type": "contact.submit"}
    binary = await admin.post(PATH, content=body("x", payload=9.5), headers=headers)
    assert (binary.status_code, binary.json()["id"]) == (200, made.json()["id"])
    await take(engine, [sent])
    other = await admin.post(PATH, content=event("/b").body, headers=CLOUDEVENT)
    assert other.status_code == 201
    assert [c.producer for c in await all_contacts(engine)] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "contact.close"}, "data.contact_id"),
        ({"type": "contact.open"}, "type"),
        ({"data": "text"}, "data"),
        ({"data": {"source": SOURCE}}, "data.lead"),
        ({"id": ""}, "id"),
    ],
)
async def test_a_wrong_cloud_event_is_named(admin: httpx2.AsyncClient, more: dict[str, Any], field: str) -> None:
    """As over the broker: 422 with the attribute."""
    sent = json.dumps(json.loads(event("/a").body) | more).encode()
    assert fields_of(await admin.post(PATH, content=sent, headers=CLOUDEVENT))[0] in (field, "data")


async def test_an_envelope_without_its_content_type_is_told_so(admin: httpx2.AsyncClient) -> None:
    """415, and which content type to send."""
    answer = await admin.post(PATH, content=event("/a").body, headers={"content-type": "application/json"})
    assert answer.status_code == 415
    assert "application/cloudevents+json" in answer.json()["detail"]


async def test_nothing_is_said_of_replaying_where_nothing_is_parked(admin: httpx2.AsyncClient) -> None:
    """An unknown source over HTTP is told what to do there."""
    answer = await admin.post(PATH, json=json.loads(body()) | {"message_id": "k"})
    assert fields_of(answer) == ["source"]
    assert "replay" not in answer.text.lower()
    assert "park" not in answer.text.lower()


async def test_a_blank_external_id_is_refused_and_spaces_are_trimmed(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """One customer is one lead, however much white space a form left around it."""
    await make_source(engine, {})
    blank = await admin.post(PATH, content=body("  "), headers={"Idempotency-Key": "k"})
    assert fields_of(blank) == ["lead.external_id"]
    for number, external_id in enumerate(("x", " x", "x \n")):
        made = await admin.post(PATH, content=body(external_id), headers={"Idempotency-Key": f"k{number}"})
        assert made.json()["lead"]["external_id"] == "x"
    assert len({c.lead_id for c in await all_contacts(engine)}) == 1
    assert [e["data"]["lead"]["external_id"] for e in await all_events(engine)] == ["x"] * 3
