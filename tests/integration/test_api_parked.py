"""Parked messages over HTTP."""

import base64
from math import nan

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from distribution.services.parked import PAGE_BYTES
from tests.factories import make_source, message, take
from tests.integration.conftest import all_items

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
    size = PAGE_BYTES // 2 - 10
    bodies = [b"a" * size, b"b" * size, b"c" * size, b"d" * (PAGE_BYTES + 1), b"e", b"f"]
    await take(engine, [Incoming(content, message_id=chr(content[0])) for content in bodies])
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
