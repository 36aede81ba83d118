"""Who asks for the outcome gets it: the event of its contact, or why there is none."""

import json
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.batch import BatchResult
from distribution.messages import Incoming
from distribution.store.outbox import Claim, Publication
from distribution.store.tables import outbox
from distribution.store.transactions import reading, transaction
from tests import factories as made

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def open_source(engine: AsyncEngine, limit: int = 1000) -> None:
    """The usual source, with an operator."""
    await made.make_source(engine, {await made.make_operator(engine, limit=limit): 1})


def event_and_reply(taken: BatchResult) -> tuple[Publication, Publication]:
    """The event of a batch of one message, and the answer to who asked."""
    event, reply = taken.publications
    assert (event.reply, reply.reply) == (False, True)
    return event, reply


def read(publication: Publication) -> dict[str, Any]:
    """The body as its reader parses it."""
    found: dict[str, Any] = json.loads(publication.body)
    return found


async def test_the_answer_to_a_new_contact_is_its_event(engine: AsyncEngine) -> None:
    """The reply queue gets the very event that everybody else gets, under the sender's correlation id."""
    await open_source(engine)
    asked = Incoming(made.body(), "m-1", reply_to="answers", correlation_id="c", headers={"traceparent": TRACEPARENT})
    event, reply = event_and_reply(await made.take(engine, [asked]))
    assert (reply.body, reply.message_id, reply.type) == (event.body, event.message_id, "contact.assigned")
    assert (reply.routing_key, reply.correlation_id, reply.traceparent) == ("answers", "c", TRACEPARENT)
    assert (event.correlation_id, event.traceparent) == ("m-1", TRACEPARENT)
    assert event.routing_key.startswith("contact.assigned.telegram-bot.")
    assert reply.id != event.id


async def test_without_a_correlation_id_the_answer_carries_the_key(engine: AsyncEngine) -> None:
    """A sender that set none finds its message by message_id, parked or not."""
    await open_source(engine)
    taken = await made.take(engine, [made.message("m-1", reply_to="a"), Incoming(b"x", "m-2", reply_to="a")])
    assert [p.correlation_id for p in taken.publications if p.reply] == ["m-1", "m-2"]


async def test_the_answer_to_a_waiting_contact_says_so(engine: AsyncEngine) -> None:
    """A sender learns at once that nobody has its contact yet."""
    await open_source(engine, limit=0)
    _, reply = event_and_reply(await made.take(engine, [made.message("m-1", reply_to="answers")]))
    assert (reply.type, read(reply)["data"]["operator"]) == ("contact.waiting", None)


async def test_the_answer_to_a_repeated_message_is_the_first_event(engine: AsyncEngine) -> None:
    """Sent again, in the same batch or after the event has long left, it is answered with the same event id."""
    await open_source(engine)
    event, *_ = (await made.take(engine, [made.message("m-1", phone="1")])).publications
    async with transaction(engine) as conn:
        await conn.execute(sa.delete(outbox))
    again = made.message("m-1", phone="1", reply_to="answers")
    taken = await made.take(engine, [again, again])
    assert taken.counts == {"repeated": 2}
    assert [(p.message_id, p.type, p.body, p.reply) for p in taken.publications] == [
        (event.message_id, event.type, event.body, True)
    ] * 2


async def test_a_copy_in_the_same_batch_is_answered_too(engine: AsyncEngine) -> None:
    """Of two copies that arrive together each gets its own answer, with one event id."""
    await open_source(engine)
    asked = made.message("m-1", reply_to="answers")
    event, *replies = (await made.take(engine, [asked, asked])).publications
    assert [r.message_id for r in replies] == [event.message_id] * 2
    assert len({r.id for r in replies}) == 2


async def test_the_answer_to_a_repeated_message_is_still_the_first_after_it_was_served(engine: AsyncEngine) -> None:
    """The first outcome of a contact that waited stays its first outcome."""
    await open_source(engine, limit=0)
    event, *_ = (await made.take(engine, [made.message("m-1")])).publications
    (operator_id,) = await made.loads(engine)
    await made.change_operator(engine, operator_id, max_active_contacts=5)
    await made.take(engine, [made.message("m-2")])
    (reply,) = (await made.take(engine, [made.message("m-1", reply_to="answers")])).publications
    assert (reply.message_id, reply.type, reply.body) == (event.message_id, "contact.waiting", event.body)


async def test_the_answer_to_a_parked_message_says_why(engine: AsyncEngine) -> None:
    """A sender reads code and detail of what it did wrong, as the admin does."""
    await open_source(engine)
    asked = made.message("m-1", source="none", reply_to="answers")
    (reply,) = (await made.take(engine, [asked])).publications
    (row,) = await made.all_parked(engine)
    event = read(reply)
    assert (reply.type, reply.routing_key, reply.reply) == ("contact.parked", "answers", True)
    assert event["data"] == {"code": "unknown_source", "detail": row.detail, "message_id": "m-1"}
    assert event["id"] == reply.message_id
    assert [e["type"] for e in await made.all_events(engine)] == ["contact.parked"]


async def test_a_reused_key_is_answered_as_parked(engine: AsyncEngine) -> None:
    """A sender that used a key twice does not get the other contact's event."""
    await open_source(engine)
    await made.take(engine, [made.message("m-1", payload="one")])
    (reply,) = (await made.take(engine, [made.message("m-1", payload="two", reply_to="answers")])).publications
    assert (reply.type, read(reply)["data"]["code"]) == ("contact.parked", "key_reuse")


async def test_nobody_asked_nobody_is_answered(engine: AsyncEngine) -> None:
    """Without reply_to there is the event and nothing else."""
    await open_source(engine)
    batch = [made.message("m-1"), made.message("m-1"), made.message("m-2", source="none"), Incoming(b"x", reply_to="")]
    assert [p.reply for p in (await made.take(engine, batch)).publications] == [False]


async def test_what_is_handed_over_is_claimed_and_all_of_it_is_in_the_outbox(engine: AsyncEngine) -> None:
    """Every publication has its row, the writer's own for the length of its lease, so that none is lost with it."""
    await open_source(engine)
    claim = Claim(uuid4(), 1000)
    taken = await made.take(
        engine, [made.message("m-1", reply_to="answers"), Incoming(b"x", reply_to="q")], claim=claim
    )
    async with reading(engine) as conn:
        rows = {row.id: row for row in await conn.execute(sa.select(outbox))}
    assert set(rows) == {p.id for p in taken.publications}
    assert {row.claimed_by for row in rows.values()} == {claim.by}
    assert all(row.claimed_until is not None for row in rows.values())
    assert {rows[p.id].body == p.body for p in taken.publications} == {True}
