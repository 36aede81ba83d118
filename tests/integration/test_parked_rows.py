"""What makes two parked messages the same one, what is kept of each, and how they are found again."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import MessageRejected, ParkedCode
from distribution.ids import new_id
from distribution.intake.decoder import Decoder
from distribution.intake.parking import park
from distribution.intake.replay import replay_code
from distribution.intake.sender_rules import SenderRules
from distribution.messages import CLOSE, CLOUDEVENTS_TYPE, WHOLE_BYTES, Incoming
from distribution.store.tables import parked_messages
from distribution.store.transactions import transaction
from tests import factories as made
from tests.integration.api_client import all_items
from tests.integration.concurrent_intake import WORKERS, side_by_side, worker

MOMENT = datetime(2026, 11, 23, 10, tzinfo=UTC)
BROKEN = Incoming(b'{"source": "web"}', "k")
DIFFERENT: list[dict[str, Any]] = [
    {"reply_to": "q"},
    {"reply_to": "r"},
    {"correlation_id": "c"},
    {"headers": {"traceparent": "t"}},
    {"headers": {"traceparent": "u"}},
    {"user_id": "bot"},
    {"timestamp": MOMENT},
    {"app_id": "shop"},
    {"routing_key": "contact.submit.web"},
    {"content_encoding": "utf-8"},
    {},
]


def as_delivered(body: bytes, **properties: Any) -> Incoming:
    """As a worker makes it of a delivery."""
    names = ("message_id", "content_type", "reply_to", "correlation_id", "headers", "user_id")
    fields = {name: properties[name] for name in names if name in properties}
    return Incoming(body, type=properties.get("message_type"), properties=properties, **fields)


def messages_like(**common: Any) -> list[Incoming]:
    """Messages with one body that differ in one property each."""
    return [as_delivered(BROKEN.body, **common, **different) for different in DIFFERENT]


async def kept(engine: AsyncEngine) -> Sequence[dict[str, Any]]:
    """The properties of every row."""
    return [json.loads(row.properties) for row in await made.all_parked(engine)]


@pytest.mark.parametrize("key", [{}, {"message_id": "k"}])
async def test_nothing_of_a_message_is_lost_beside_one_that_is_like_it(
    engine: AsyncEngine, key: dict[str, str]
) -> None:
    """Equal bodies, with the same key or without any: who differs in one property has a row with that property."""
    sent = messages_like(**key)
    await made.take(engine, sent)
    await made.take(engine, [replace(message, redelivered=True) for message in sent[::-1]])
    assert [row.attempts for row in await made.all_parked(engine)] == [2] * len(DIFFERENT)
    as_kept = {"timestamp": "2026-11-23T10:00:00.000Z"}
    expected = [{name: as_kept.get(name, value) for name, value in (key | one).items()} for one in DIFFERENT]
    assert await kept(engine) == expected


async def test_equal_messages_without_a_key_are_one_row_each(engine: AsyncEngine) -> None:
    """Two bots that say the same are not one that repeats itself; only what is delivered again is counted."""
    one = as_delivered(b"broken", content_type="application/json")
    again = replace(one, redelivered=True)
    await made.take(engine, [one, one, one])
    await made.take(engine, [one])
    assert [row.attempts for row in await made.all_parked(engine)] == [1, 1, 1, 1]
    await made.take(engine, [again])
    await made.take(engine, [again, one])
    await made.take(engine, [again])
    assert sorted(row.attempts for row in await made.all_parked(engine)) == [1, 1, 1, 2, 3]


async def test_what_the_broker_adds_makes_no_other_message(engine: AsyncEngine) -> None:
    """Delivered again, or given up and collected from another exchange: the same delivery, one row."""
    again = {"x-delivery-count": 3, "x-acquired-count": 4}
    death = {"x-death": [{"reason": "expired", "time": MOMENT}], "x-first-death-reason": "expired",
             "x-first-death-queue": "q", "x-last-death-exchange": "e"}  # fmt: skip
    own = {"tenant": 1}
    sent = [
        as_delivered(b"broken", exchange="contacts", headers=own),
        as_delivered(b"broken", exchange="contacts", headers=own | again),
        as_delivered(b"broken", exchange="contacts.dead", headers=own | again | death),
    ]
    for number, message in enumerate(sent):
        await made.take(engine, [replace(message, redelivered=number > 0)])
    assert [row.attempts for row in await made.all_parked(engine)] == [3]


async def test_copies_that_several_workers_get_are_one_row_each(engine: AsyncEngine, database_url: str) -> None:
    """However many deliver the same messages side by side, each differing message has one row, and each try counts."""
    counts = await side_by_side(database_url, *[worker(messages_like(message_id="k"), 4)] * WORKERS)
    assert counts == {"parked_invalid_message": len(DIFFERENT) * WORKERS}
    assert [row.attempts for row in await made.all_parked(engine)] == [WORKERS] * len(DIFFERENT)


async def test_each_who_asked_is_answered_when_it_is_replayed(engine: AsyncEngine, random: Random) -> None:
    """Two tries of one bot with a reply queue each: a replay makes one contact and answers both."""
    tries = [made.as_sent(made.message("k", source="late", reply_to=queue)) for queue in ("q", "r")]
    await made.take(engine, tries)
    await made.make_source(engine, {await made.make_operator(engine): 1}, "late")
    async with transaction(engine) as conn:
        done = await replay_code(conn, random, Decoder(made.MAX_BYTES), "unknown_source", None)
        queues = set(
            await conn.scalars(sa.text("SELECT routing_key FROM outbox WHERE type = 'contact.assigned' AND reply"))
        )
    assert (done.replayed, len(await made.all_contacts(engine)), queues) == (2, 1, {"q", "r"})


async def test_properties_are_shown_under_their_names_with_times(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """`type` as AMQP has it, moments as everywhere in the API; rows of earlier releases too."""
    death = {"x-death": [{"time": MOMENT, "queue": "q"}], "bytes": b"\xff", "said": "2026-11-23 10:00:00+00:00"}
    sent = {"message_type": "contact.open", "timestamp": MOMENT, "headers": death, "delivery_mode": 2}
    await made.take(engine, [as_delivered(b"broken", **sent)])
    [row] = await made.all_parked(engine)
    earlier = json.loads(row.properties) | {"timestamp": str(MOMENT)}
    earlier["headers"] = earlier["headers"] | {"x-death": [{"time": str(MOMENT), "queue": "q"}]}
    values = dict(row._mapping) | {"id": new_id(), "properties": json.dumps(earlier), "fingerprint": b"old"}  # noqa: SLF001 - its name
    async with transaction(engine) as conn:
        await conn.execute(sa.insert(parked_messages).values(values))
    shown = [item["properties"] for item in await all_items(admin, "/parked")]
    moment = "2026-11-23T10:00:00.000Z"
    headers = {"x-death": [{"time": moment, "queue": "q"}], "bytes": {"base64": "/w=="}, "said": death["said"]}
    expected = {"type": "contact.open", "timestamp": moment, "headers": headers, "delivery_mode": 2}
    assert shown == [expected, expected]


def of_source_web(contact_id: UUID) -> dict[str, Incoming]:
    """Messages that nobody can process and that name the source `web` somewhere, by what is wrong with them."""
    data = {"source": "web", "lead": {}}
    close = {"contact_id": str(contact_id), "reason": 5}
    event = {"specversion": "1.0", "type": "contact.submit", "id": "6", "source": "/b", "data": data}
    large = b'{"source": "web", "payload": "' + b"x" * WHOLE_BYTES + b'"}'
    return {
        "a field": Incoming(json.dumps(data).encode(), "1"),
        "no json": Incoming(b'{"source": "web", ]', "2"),
        "too large": Incoming(large, "3"),
        "a type": Incoming(json.dumps(data).encode(), "4", type="contact.open"),
        "a content type": Incoming(json.dumps(data).encode(), "5", content_type="text/plain"),
        "a CloudEvent": Incoming(json.dumps(event).encode(), content_type=CLOUDEVENTS_TYPE),
        "packed": Incoming(gzip.compress(json.dumps(data).encode()), "7", content_type="text/plain"),
        "a close of a contact of it": Incoming(json.dumps(close).encode(), "8", type=CLOSE),
        "a close of no contact": Incoming(
            json.dumps({"contact_id": str(uuid4()), "source": "web"}).encode(), "9", type=CLOSE
        ),
    }  # fmt: skip


async def test_whatever_names_its_source_is_found_by_it(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """By `GET /parked?source=`, and shown with it; another source's filter finds nothing."""
    await made.make_source(engine, {}, "web")
    await made.take(engine, [made.message("first", source="web")])
    [contact] = await made.all_contacts(engine)
    sent = of_source_web(contact.id)
    await made.take(engine, [*sent.values(), Incoming(b"{", "none")])
    found = await all_items(admin, "/parked", source="web")
    assert {item["message_id"] or "6" for item in found} == {m.message_id or "6" for m in sent.values()}
    assert {item["source"] for item in found} == {"web"}
    assert await all_items(admin, "/parked", source="fax") == []


async def test_a_close_that_is_not_allowed_is_found_by_its_contacts_source(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Whatever source the sender claims beside the id: it is about a contact of this one."""
    await made.make_source(engine, {}, "web")
    await made.take(engine, [made.message("first", source="web")])
    [contact] = await made.all_contacts(engine)
    rules = SenderRules({"hall": frozenset({"fax"})})
    closes = [made.closing(user, contact_id=contact.id, source="fax") for user in ("hall", "hell", None)]
    await made.take(engine, closes, rules=rules)
    found = await all_items(admin, "/parked", source="web")
    assert [(item["code"], item["source"]) for item in found] == [("not_allowed", "web")] * len(closes)


async def test_what_the_broker_gave_up_is_found_too(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """A close by id of a known contact, of which nothing but the body says whose it is."""
    await made.make_source(engine, {}, "web")
    await made.take(engine, [made.message("first", source="web")])
    [contact] = await made.all_contacts(engine)
    dead = made.as_sent(Incoming(json.dumps({"contact_id": str(contact.id)}).encode(), type=CLOSE))
    async with transaction(engine) as conn:
        await park(conn, [(dead, MessageRejected(ParkedCode.UNDELIVERED, "It expired."))])
    assert len(await all_items(admin, "/parked", source="web")) == 1


async def test_the_source_that_a_body_names_decides_nothing(engine: AsyncEngine) -> None:
    """Junk that names a source beside an unknown contact takes none of that source's turns when it is retried."""
    close = {"contact_id": str(uuid4()), "source": "web"}
    await made.take(engine, [replace(made.closing(**close), message_id=f"{n}") for n in range(2)])
    assert {(row.state, row.source, row.named_source) for row in await made.all_parked(engine)} == {
        ("deferred", None, "web")
    }
