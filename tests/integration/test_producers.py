"""CloudEvents are told apart by source and id; what the release before kept is recognised."""

import json

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from distribution.messages.digest import ROUNDED
from distribution.store.tables import contacts
from distribution.store.transactions import reading, transaction
from tests.factories import (
    all_contacts,
    all_events,
    all_parked,
    body,
    closing,
    make_operator,
    make_source,
    message,
    take,
)
from tests.integration.rows_before_producers import as_the_release_before_wrote_it, event


async def test_two_producers_with_one_id_are_two_customers(engine: AsyncEngine) -> None:
    """Neither is lost or parked; each again is the same contact."""
    await make_source(engine, {await make_operator(engine): 1})
    await take(engine, [event("/a"), event("/b", external_id="y"), event("/a"), message("1", "z")])
    await take(engine, [event("/b", external_id="y"), message("1", "z"), event("/a")])
    assert [(c.producer, c.message_id) for c in await all_contacts(engine)] == [("/a", "1"), ("/b", "1"), ("", "1")]
    assert await all_parked(engine) == []
    assert [e["data"]["contact"]["message_id"] for e in await all_events(engine)] == ["1", "1", "1"]


async def test_one_producer_with_another_body_is_key_reuse(engine: AsyncEngine) -> None:
    """Within a producer the id is a key like any other."""
    await make_source(engine, {})
    await take(engine, [event("/a"), event("/a", external_id="y")])
    assert len(await all_contacts(engine)) == 1
    assert [p.code for p in await all_parked(engine)] == ["key_reuse"]


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (event("/a"), "1"),
        (event("/a", message_id="own"), "1"),
        (
            Incoming(json.dumps(json.loads(body("x", payload=0.5)) | {"message_id": "own"}).encode(), "property"),
            "property",
        ),
        (message("k", " x ", payload={"price": 1e15}), "k"),
        (message("k", payload=[9.5, 1e22, 2**70]), "k"),
        (message("k", payload="text"), "k"),
    ],
)
async def test_what_was_sent_before_the_upgrade_is_recognised_after_it(
    engine: AsyncEngine, sent: Incoming, key: str
) -> None:
    """No second contact and no key_reuse, though keys and digests are made in another way since."""
    await make_source(engine, {})
    await take(engine, [sent])
    await as_the_release_before_wrote_it(engine, sent, key)
    await take(engine, [sent, sent])
    assert len(await all_contacts(engine)) == 1
    assert await all_parked(engine) == []


async def test_a_bot_may_change_to_cloud_events(engine: AsyncEngine) -> None:
    """What it sent plain and sends again as an event is one contact, in one transaction and later."""
    await make_source(engine, {})
    plain = message("1", "x", payload=9.5)
    await take(engine, [plain, event("/a")])
    await take(engine, [event("/a"), event("/b"), plain])
    assert [(c.producer, c.message_id) for c in await all_contacts(engine)] == [("", "1")]
    assert await all_parked(engine) == []
    await take(engine, [event("/a", external_id="y")])
    assert [(c.producer, c.message_id) for c in await all_contacts(engine)] == [("", "1"), ("/a", "1")]


async def test_the_former_key_of_another_customer_is_not_taken_for_it(engine: AsyncEngine) -> None:
    """An event whose id was another producer's before the upgrade becomes a contact of its own."""
    await make_source(engine, {})
    await take(engine, [event("/a")])
    await as_the_release_before_wrote_it(engine, event("/a"), "1")
    await take(engine, [event("/b", external_id="y"), event("/a")])
    assert [c.producer for c in await all_contacts(engine)] == ["", "/b"]
    assert await all_parked(engine) == []


@pytest.mark.parametrize("beside", ["\udcff" * 8, "a\0b", "é" * 128], ids=["no UTF-8", "NUL", "too long"])
async def test_a_key_beside_the_body_that_nobody_could_ever_use(engine: AsyncEngine, beside: str) -> None:
    """The body's own key counts; what the message property holds harms nothing."""
    await make_source(engine, {})
    sent = json.loads(body("x")) | {"message_id": "m-1"}
    for _ in range(2):
        await take(engine, [Incoming(json.dumps(sent).encode(), message_id=beside), event("/a", external_id="y")])
    assert [c.message_id for c in await all_contacts(engine)] == ["m-1", "1"]
    assert await all_parked(engine) == []


async def test_closing_by_key_finds_the_producers_contact(engine: AsyncEngine) -> None:
    """With `producer` exactly that one; without it the plain one, or the only one; else the sender is asked for it."""
    source, by = "telegram-bot", {"source": "telegram-bot", "message_id": "1"}
    await make_source(engine, {}, source)
    await take(engine, [event("/a"), event("/b", external_id="y"), event("/only", "2")])
    await take(engine, [closing(**by), closing(**by, producer="/c"), closing(**by, producer="/b")])
    await take(engine, [closing(source=source, message_id="2")])
    closed = {(c.producer, c.message_id) for c in await all_contacts(engine) if c.status == "closed"}
    assert closed == {("/b", "1"), ("/only", "2")}
    parked = {p.code: p.detail for p in await all_parked(engine)}
    assert set(parked) == {"invalid_message", "unknown_contact"}
    assert "add producer" in parked["invalid_message"]
    await take(engine, [message("1", "z"), closing(**by)])
    assert {c.producer for c in await all_contacts(engine) if c.status == "closed"} == {"/b", "/only", ""}


async def test_closing_by_producer_finds_what_the_release_before_made(engine: AsyncEngine) -> None:
    """A contact that was made without its producer is closed by it; one that never had any is not."""
    await make_source(engine, {})
    by = {"source": "telegram-bot", "message_id": "1", "producer": "/a"}
    await take(engine, [message("1", "z"), closing(**by)])
    assert [c.status for c in await all_contacts(engine)] == ["waiting"]
    async with transaction(engine) as conn:
        await conn.execute(sa.update(contacts).values(format=ROUNDED))
    await take(engine, [closing(**by)])
    assert [c.status for c in await all_contacts(engine)] == ["closed"]


async def test_numbers_reach_database_and_event_digit_by_digit(engine: AsyncEngine) -> None:
    """What is written and told is what was sent."""
    await make_source(engine, {})
    payload = b'{"amount":12345678901234567.89,"tiny":1e-400,"big":1e15,"minus":-0,"one":1.0}'
    await take(engine, [Incoming(body().replace(b"null", payload), message_id="k")])
    assert [c.payload for c in await all_contacts(engine)] == [payload.decode()]
    async with reading(engine) as conn:
        [told] = await conn.scalars(sa.text("SELECT body FROM outbox"))
    assert b'"payload":' + payload in told
