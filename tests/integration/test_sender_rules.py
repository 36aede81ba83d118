"""Senders of messages: whose contacts they close, what they are told, and where they stand in the audit."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import MessageRejected, ParkedCode
from distribution.intake import parked_admin
from distribution.intake.decoder import Decoder
from distribution.intake.parking import park
from distribution.intake.replay import retry_due
from distribution.intake.sender_rules import SenderRules
from distribution.messages import Incoming
from distribution.optimistic_locking import Actor, Edit
from distribution.store.outbox import Publication
from distribution.store.transactions import transaction
from tests import factories as made

OWN, OTHER = "hall", "stranger"
RULES = SenderRules({OWN: frozenset({made.SOURCE}), OTHER: frozenset({"web", "none-yet"})})
NOT_ALLOWED = ("rejected", "not_allowed")
ADMIN = Edit(Actor("admin", "olga"))
PHONE, EMAIL, PAYLOAD = "+79991234567", "anna@example.com", "Where is my order?"


@pytest.fixture
async def contact(engine: AsyncEngine) -> sa.Row[Any]:
    """An active contact of OWN's source, whose lead has a phone and an e-mail."""
    operator_id = await made.make_operator(engine)
    await made.make_source(engine, {operator_id: 1})
    await made.make_source(engine, {}, "web")
    await made.take(engine, [made.message("m-1", phone=PHONE, email=EMAIL, payload=PAYLOAD)])
    return (await made.all_contacts(engine))[0]


def data(publication: Publication) -> dict[str, Any]:
    """What an event or a reply says."""
    found: dict[str, Any] = json.loads(publication.body)["data"]
    return found


async def states(engine: AsyncEngine) -> list[tuple[str, str]]:
    """State and code of each parked message."""
    return [(row.state, row.code) for row in await made.all_parked(engine)]


async def test_a_contact_of_another_source_is_not_closed_by_id(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """Nor twice, nor once it is closed; who may, closes it. The sender reads why and nothing of the contact."""
    foreign = made.closing(OTHER, "answers", contact_id=contact.id)
    (reply,) = (await made.take(engine, [foreign], rules=RULES)).publications
    assert (await made.all_contacts(engine))[0].status == "active"
    detail = f"The sender may not close contact {contact.id}: it is of a source that the sender may not use."
    assert data(reply) == {"code": "not_allowed", "detail": detail, "message_id": None}
    assert await states(engine) == [NOT_ALLOWED]
    await made.take(engine, [made.closing(OWN, contact_id=contact.id)], rules=RULES)
    assert (await made.all_contacts(engine))[0].status == "closed"
    (reply,) = (await made.take(engine, [foreign], rules=RULES)).publications
    assert data(reply)["code"] == "not_allowed"


async def test_of_a_batch_only_what_is_not_allowed_is_parked(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """Others' submissions and closings in the same batch go through."""
    mine = replace(made.message("m-2"), user_id=OWN)
    batch = [
        made.closing(OTHER, contact_id=contact.id),
        replace(made.message("m-3"), user_id=OTHER),
        mine,
        made.closing(OWN, source=made.SOURCE, message_id="m-2"),
    ]
    taken = await made.take(engine, batch, rules=RULES)
    assert taken.counts == {"parked_not_allowed": 2, "active": 1, "closed": 1}
    assert [c.status for c in await made.all_contacts(engine)] == ["active", "closed"]


async def retry(engine: AsyncEngine, rules: SenderRules) -> None:
    """Try what is deferred, as the worker does by itself."""
    decoder = Decoder(made.MAX_BYTES, sender_rules=rules)
    async with transaction(engine) as conn:
        await retry_due(conn, Random(1), decoder, datetime.now(UTC) + timedelta(seconds=6))


async def test_a_deferred_closing_is_checked_again(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """The contact turned up since, and is of a source that the sender may not use."""
    unknown = MessageRejected(ParkedCode.UNKNOWN_CONTACT, "There was no such contact.")
    async with transaction(engine) as conn:
        await park(conn, [(made.closing(OTHER, contact_id=contact.id), unknown)])
    await retry(engine, RULES)
    assert await states(engine) == [NOT_ALLOWED]
    assert (await made.all_contacts(engine))[0].status == "active"


async def test_a_right_that_was_taken_away_counts_for_what_is_deferred(engine: AsyncEngine) -> None:
    """The setting of the worker that tries it counts, not the one of its arrival."""
    early = made.closing(OTHER, source="none-yet", message_id="m-1")
    await made.take(engine, [early], rules=RULES)
    assert await states(engine) == [("deferred", "unknown_contact")]
    await retry(engine, SenderRules({OTHER: frozenset({"web"})}))
    assert await states(engine) == [NOT_ALLOWED]


async def test_a_persons_replay_is_that_persons_decision(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """What was not allowed goes through; the audit has who asked for it, and whose message it was."""
    await made.take(engine, [made.closing(OTHER, contact_id=contact.id)], rules=RULES)
    (row,) = await made.all_parked(engine)
    async with transaction(engine) as conn:
        done = await parked_admin.replay(conn, Random(1), Decoder(made.MAX_BYTES, sender_rules=RULES), row.id, ADMIN)
    assert (done.replayed, (await made.all_contacts(engine))[0].status) == (1, "closed")
    assert [(a.action, a.role, a.name) for a in await made.all_audited(engine)] == [
        ("contact.closed", "bot", OTHER), ("parked.replayed", "admin", "olga"),
    ]  # fmt: skip


async def test_one_users_parked_message_does_not_stand_in_for_anothers(engine: AsyncEngine) -> None:
    """A closing that one user may not send, sent first, does not keep the same closing of another from its retries."""
    for user in (OTHER, OWN, OWN):
        early = made.closing(user, source=made.SOURCE, message_id="m-9")
        await made.take(engine, [early], rules=RULES)
    assert await states(engine) == [NOT_ALLOWED, ("deferred", "unknown_contact")]
    operator_id = await made.make_operator(engine)
    await made.make_source(engine, {operator_id: 1})
    await made.take(engine, [replace(made.message("m-9"), user_id=OWN)], rules=RULES)
    await retry(engine, RULES)
    assert [c.status for c in await made.all_contacts(engine)] == ["closed"]


async def test_closings_stand_in_the_audit_with_who_sent_them(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """As over HTTP: state before and after; the user as the broker knows it, or nobody; only what changed something."""
    await made.take(engine, [made.message(f"m-{n}") for n in (2, 3, 4)])
    first = made.closing(OWN, contact_id=contact.id, reason="solved")
    long = made.closing("u" * 255, source=made.SOURCE, message_id="m-3")
    unreadable = made.closing("\udcff", source=made.SOURCE, message_id="m-4")
    nothing = made.closing(OWN, source=made.SOURCE, message_id="m-7")
    batch = [first, first, made.closing(source=made.SOURCE, message_id="m-2"), long, unreadable, nothing]
    await made.take(engine, batch)
    await made.take(engine, [first])
    rows = await made.all_audited(engine)
    assert {(row.role, row.action, row.object_kind) for row in rows} == {("bot", "contact.closed", "contact")}
    assert [row.object_id for row in rows] == [str(c.id) for c in await made.all_contacts(engine)]
    assert [row.name for row in rows] == [OWN, None, "u" * 64, None]
    held = contact.operator_id
    assert json.loads(rows[0].before) == {"status": "active", "operator_id": held}
    assert json.loads(rows[0].after) == {"status": "closed", "operator_id": held, "reason": "solved"}


@pytest.mark.usefixtures("contact")
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, (None, None)),
        ({"phone": PHONE}, (PHONE, None)),
        ({"phone": "+70000000000", "email": EMAIL}, (None, EMAIL)),
        ({"phone": " " + PHONE, "email": EMAIL.upper()}, (None, None)),
        ({"phone": PHONE, "email": EMAIL}, (PHONE, EMAIL)),
    ],
)
async def test_a_reply_tells_of_the_lead_only_what_was_sent(
    engine: AsyncEngine, sent: dict[str, str], told: tuple[str | None, str | None]
) -> None:
    """Also to the same message again; the event tells everything, and the payload is the sender's own."""
    asked = made.message("m-2", reply_to="answers", payload={"own": [1, 10**60]}, **sent)
    event, *replies = (await made.take(engine, [asked, asked])).publications
    replies += (await made.take(engine, [asked])).publications
    assert len(replies) == 3
    for reply in replies:
        lead = data(reply)["lead"]
        assert (lead["phone"], lead["email"]) == told
        assert data(reply) | {"lead": None} == data(event) | {"lead": None}
    assert (data(event)["lead"]["phone"], data(event)["lead"]["email"]) == (PHONE, EMAIL)


async def test_the_reply_to_a_closing_tells_nothing_of_the_lead(engine: AsyncEngine, contact: sa.Row[Any]) -> None:
    """Neither payload nor phone nor e-mail, at once or when it is closed again; the event has them."""
    for close in (
        made.closing(reply_to="answers", contact_id=contact.id),
        made.closing(reply_to="answers", source=made.SOURCE, message_id="m-1"),
    ):
        *events, reply = (await made.take(engine, [close])).publications
        assert (reply.type, data(reply)["payload"]) == ("contact.closed", None)
        assert not [secret for secret in (PHONE, EMAIL, PAYLOAD) if secret in reply.body.decode()]
        assert all(secret in event.body.decode() for secret in (PHONE, EMAIL, PAYLOAD) for event in events)


@pytest.mark.usefixtures("contact")
async def test_an_unchanged_reply_shares_the_events_bytes(engine: AsyncEngine) -> None:
    """A large payload is not held twice for an answer."""
    asked = made.message("m-2", "tg:2", phone=PHONE, reply_to="answers", payload="x" * 1000)
    event, reply = (await made.take(engine, [asked])).publications
    assert reply.body is event.body


@pytest.mark.usefixtures("contact")
async def test_no_reply_goes_to_a_queue_of_ours(engine: AsyncEngine) -> None:
    """The message itself is done as ever, parked ones too."""
    batch = [made.message("m-2", reply_to="contacts.inbound.v1"), Incoming(b"{", "m-3", reply_to="amq.topic")]
    taken = await made.take(engine, batch)
    assert [p.reply for p in taken.publications] == [False]
    assert taken.counts == {"active": 1, "parked_invalid_json": 1}
