"""Parked messages over HTTP."""

import asyncio
import base64
from hashlib import sha256
from math import nan
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.parking import park
from distribution.intake.replay import CHUNK
from distribution.messages import CUT_BYTES, WHOLE_BYTES, Incoming
from distribution.store.pagination import LIST_BYTES
from distribution.store.transactions import transaction
from tests.factories import (
    all_contacts,
    all_events,
    all_parked,
    as_sent,
    loads,
    make_operator,
    make_source,
    message,
    take,
)
from tests.integration.api_client import all_items, fields_of

SHAPE = {"id", "state", "code", "detail", "source", "message_id", "properties", "attempts", "created_at"}


async def test_a_parked_message_is_shown_whole(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Body as text with its properties, also such as JSON lacks, and the reason; list and single one say the same."""
    broken = Incoming(b'{"source": "\x00', message_id="m1", properties={"headers": {"a": 1, "n": nan}})
    await take(engine, [broken])
    [parked] = await all_items(admin, "/parked")
    assert set(parked) == {*SHAPE, "body"}
    assert (parked["state"], parked["code"], parked["message_id"], parked["attempts"]) == (
        "rejected", "invalid_json", "m1", 1,
    )  # fmt: skip
    assert parked["body"].encode() == broken.body
    assert parked["properties"]["headers"]["a"] == 1
    assert (await admin.get(f"/parked/{parked['id']}")).json() == parked


async def test_a_body_that_is_no_text_is_base64(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Byte for byte."""
    await take(engine, [Incoming(b"\xff\x00\xfe", message_id="m1")])
    [parked] = await all_items(admin, "/parked")
    assert set(parked) == {*SHAPE, "body_base64"}
    assert base64.b64decode(parked["body_base64"]) == b"\xff\x00\xfe"


async def test_parked_messages_are_filtered_newest_first(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """State, code and source, alone and together."""
    await make_source(engine, {})
    await take(engine, [Incoming(b"{", message_id="a")])
    await take(engine, [message("b", source="fax")])
    await take(engine, [message("c", source="telex")])
    for params, keys in (
        ({}, ["c", "b", "a"]),
        ({"state": "rejected"}, ["c", "b", "a"]),
        ({"state": "replayed"}, []),
        ({"code": "unknown_source"}, ["c", "b"]),
        ({"code": "unknown_source", "source": "fax"}, ["b"]),
        ({"source": "fax", "code": "invalid_json"}, []),
    ):
        assert [p["message_id"] for p in await all_items(admin, "/parked", **params)] == keys, params


async def test_a_page_of_large_bodies_is_short_and_nothing_is_left_out(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Bodies beyond what a page may weigh go on the next page; one that is too heavy alone has its own."""
    size = LIST_BYTES // 2 - 10
    bodies = [b"a" * size, b"b" * size, b"c" * size, b"d" * (LIST_BYTES + 1), b"e", b"f"]
    async with transaction(engine) as conn:
        why = MessageRejected(ParkedCode.INVALID_JSON, "It is none.")
        await park(conn, [(Incoming(content, message_id=chr(content[0])), why) for content in bodies])
    sizes: list[int] = []
    keys: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await admin.get("/parked", params={"cursor": cursor} if cursor else {})).json()
        sizes.append(len(page["items"]))
        keys += [item["message_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert keys == list("fedcba")
    assert sizes == [2, 1, 2, 1]


async def test_one_message_is_replayed_once_it_can_go_through(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Parked again while it cannot; then it makes its contact, which is served; done is done."""
    await take(engine, [as_sent(message("m1", source="fax"))])
    [row] = await all_parked(engine)
    path = f"/parked/{row.id}"
    again = await admin.post(f"{path}/replay", json={})
    assert (again.status_code, again.json()["replayed"], again.json()["parked_again"]) == (200, 0, 1)
    assert (again.json()["state"], again.json()["attempts"]) == ("rejected", 2)
    await make_source(engine, {await make_operator(engine): 1}, "fax")
    asked = [admin.post(f"{path}/replay") for _ in range(2)]
    answers = sorted(await asyncio.gather(*asked), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 409]
    done = answers[0].json()
    assert (done["replayed"], done["parked_again"], done["state"]) == (1, 0, "replayed")
    assert {name: done[name] for name in (*SHAPE, "body")} == (await admin.get(path)).json()
    [contact] = await all_contacts(engine)
    assert (contact.message_id, contact.status) == ("m1", "active")
    assert [event["type"] for event in await all_events(engine)] == ["contact.assigned"]
    refused = await admin.delete(path)
    assert (refused.status_code, "replayed already" in refused.json()["detail"]) == (409, True)


async def test_all_of_a_code_are_replayed_in_bounded_transactions(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Each one once, the oldest first; how many went through and how many are parked again."""
    number = CHUNK + 20
    await take(engine, [as_sent(message(f"m{n:03}", source="fax")) for n in range(number)])
    await take(engine, [as_sent(message("other", source="telex")), Incoming(b"{", message_id="broken")])
    operator_id = await make_operator(engine, limit=number - 1)
    await make_source(engine, {operator_id: 1}, "fax")
    answer = await admin.post("/parked/replay", json={"code": "unknown_source"})
    assert (answer.status_code, answer.json()) == (200, {"replayed": number, "parked_again": 1})
    contacts = await all_contacts(engine)
    assert [contact.message_id for contact in contacts] == [f"m{n:03}" for n in range(number)]
    assert [contact.status for contact in contacts] == ["active"] * (number - 1) + ["waiting"]
    assert await loads(engine) == {operator_id: number - 1}
    left = await all_items(admin, "/parked", state="rejected")
    assert [row["message_id"] for row in left] == ["broken", "other"]
    rows = await all_items(admin, "/audit")
    assert [row["after"] for row in rows] == [
        {"replayed": 20, "parked_again": 1}, {"replayed": CHUNK, "parked_again": 0},
    ]  # fmt: skip
    assert {(row["action"], row["object_kind"], row["object_id"]) for row in rows} == {
        ("parked.replayed", "parked", "unknown_source"),
    }  # fmt: skip
    again = await admin.post("/parked/replay", json={"code": "too_large"})
    assert (again.status_code, again.json()) == (200, {"replayed": 0, "parked_again": 0})


async def test_a_deferred_close_is_replayed_and_its_place_filled(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """A close that overtook its submission, tried by a person before its time."""
    await make_source(engine, {await make_operator(engine, limit=1): 1})
    close = Incoming(b'{"source": "telegram-bot", "message_id": "m0"}', message_id="c", type="contact.close")
    await take(engine, [as_sent(close)])
    [row] = await all_parked(engine)
    assert row.state == "deferred"
    assert (await admin.post(f"/parked/{row.id}/replay")).json()["state"] == "deferred"
    await take(engine, [message("m0"), message("m1")])
    assert (await admin.post("/parked/replay", json={"code": "unknown_contact"})).json()["replayed"] == 1
    assert [contact.status for contact in await all_contacts(engine)] == ["closed", "active"]


async def test_a_dropped_message_stays_to_be_read(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """204 once; afterwards it can be shown, and neither replayed nor dropped again."""
    await take(engine, [as_sent(message("m1", source="fax"))])
    path = f"/parked/{(await all_parked(engine))[0].id}"
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["state"] == "dropped"
    for answer in (await admin.delete(path), await admin.post(f"{path}/replay")):
        assert (answer.status_code, "dropped already" in answer.json()["detail"]) == (409, True)
    assert (await admin.post("/parked/replay", json={"code": "unknown_source"})).json()["replayed"] == 0


@pytest.mark.parametrize("key", [UUID(int=7), "abc", "%00", "replay"])
async def test_what_is_not_parked_is_not_found(admin: httpx2.AsyncClient, key: object) -> None:
    """404, and 422 for a code that is none."""
    assert (await admin.post(f"/parked/{key}/replay")).status_code == 404
    if key != "replay":
        assert (await admin.delete(f"/parked/{key}")).status_code == 404
    for body, field in (({}, "code"), ({"code": "x"}, "code"), ({"code": None}, "code"), ({"codes": "x"}, "code")):
        assert field in fields_of(await admin.post("/parked/replay", json=body))


async def test_a_huge_body_is_kept_in_part_and_cannot_be_replayed(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Beyond 1 MiB only the first 64 KiB stay, with the size and a digest in the detail; a replay is refused."""
    whole = "я" * (WHOLE_BYTES // 2) + " "
    bodies = {"fits": b"a" * WHOLE_BYTES, "huge": b" " + whole.encode(), "other": b"{"}
    await take(engine, [as_sent(Incoming(content, message_id=key)) for key, content in bodies.items()])
    _, huge, fits = await all_items(admin, "/parked")
    assert set(fits) == {*SHAPE, "body"}
    assert fits["body"] == "a" * WHOLE_BYTES
    assert set(huge) == {*SHAPE, "body", "body_size"}
    size = WHOLE_BYTES + 2
    # The last character would be cut in two.
    assert (huge["body_size"], huge["body"]) == (size, " " + "я" * (CUT_BYTES // 2 - 1))
    assert (str(size) in huge["detail"], sha256(b" " + whole.encode()).hexdigest() in huge["detail"]) == (True, True)
    refused = await admin.post(f"/parked/{huge['id']}/replay")
    assert (refused.status_code, "cannot be replayed" in refused.json()["detail"]) == (409, True)
    some = await admin.post("/parked/replay", json={"code": "too_large"})
    assert (some.status_code, some.json()) == (200, {"replayed": 0, "parked_again": 2})
    assert [row.attempts for row in await all_parked(engine)] == [2, 1, 1]
    assert (await admin.delete(f"/parked/{huge['id']}")).status_code == 204


async def test_a_huge_message_that_comes_again_is_one_row(engine: AsyncEngine) -> None:
    """Told apart by the digest of the whole, not by the beginning that is kept."""
    one, other = (Incoming(b"a" * WHOLE_BYTES + end, message_id="huge") for end in (b"1", b"2"))
    await take(engine, [one, other])
    await take(engine, [one])
    assert [(len(row.body), row.attempts) for row in await all_parked(engine)] == [(CUT_BYTES, 2), (CUT_BYTES, 1)]
