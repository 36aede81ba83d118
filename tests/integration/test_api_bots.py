"""Bots over HTTP: bound to sources, and told nothing that others sent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from admin_api.http.operation import PREFIX
from admin_api.routes import all_operations
from distribution.intake.sender_rules import SenderRules
from distribution.reply_queues import ReplyQueues
from tests import factories as made
from tests.integration.api_client import all_items, client

ADMIN, BOUND, UNBOUND = "admin-long-secret-token", "bound-long-secret-token", "unbound-long-secret-token"
PHONE, EMAIL, PAYLOAD, NAME = "+79991234567", "anna@example.com", "the other bot's words", "Anna's key"
SECRETS = (PHONE, EMAIL, PAYLOAD, NAME)
FOREIGN = made.SOURCE


@dataclass(frozen=True)
class Scene:
    """A contact of another bot, and three clients."""

    admin: httpx2.AsyncClient
    bound: httpx2.AsyncClient
    unbound: httpx2.AsyncClient
    contact_id: UUID

    def bots(self) -> Mapping[str, httpx2.AsyncClient]:
        """Both bots."""
        return {"bound": self.bound, "unbound": self.unbound}


@pytest.fixture
def app(context: Context) -> Starlette:
    """The application, with a bot that is bound to the source web and one that is bound to none."""
    tokens = parse_tokens(f"admin:olga:{ADMIN},bot[web,fax]:site:{BOUND},bot:any:{UNBOUND}")
    return create_app(Context(context.database, tokens, context.decoder))


@pytest.fixture
async def scene(engine: AsyncEngine, app: Starlette) -> Scene:
    """A lead with phone and e-mail, known from another source's contact."""
    operator_id = await made.make_operator(engine, "Olga", 2)
    await made.make_source(engine, {operator_id: 1})
    await made.make_source(engine, {operator_id: 1}, "web")
    await made.take(engine, [made.message(NAME, phone=PHONE, email=EMAIL, payload=PAYLOAD)])
    [contact] = await made.all_contacts(engine)
    return Scene(client(app, ADMIN), client(app, BOUND), client(app, UNBOUND), contact.id)


def body(key: str, source: str = "web", payload: object = None, **lead: str) -> dict[str, Any]:
    """A submission for the lead that is known already."""
    return {"message_id": key, "source": source, "payload": payload, "lead": {"external_id": "tg:1001"} | lead}


async def test_a_bound_bot_submits_to_its_sources_only(scene: Scene, engine: AsyncEngine) -> None:
    """201, or 403 with a sentence; whether there is such a source makes no difference."""
    assert (await scene.bound.post("/contacts", json=body("b-1"))).status_code == 201
    refused = [await scene.bound.post("/contacts", json=body("b-2", source)) for source in (FOREIGN, "nobodys")]
    assert {answer.status_code for answer in refused} == {403}
    assert {answer.json()["detail"] for answer in refused} == {
        "The token is bound to sources; this takes the source fax or web."
    }
    later = await scene.bound.post("/contacts", json=body("b-3", "fax"))
    assert (later.status_code, later.json()["errors"][0]["field"]) == (422, "source")
    assert [c.message_id for c in await made.all_contacts(engine)] == [NAME, "b-1"]


async def test_a_bound_bot_cannot_use_anothers_key(scene: Scene) -> None:
    """The same words with the same key are refused as any others; the key of its own source is its own."""
    same = body(NAME, FOREIGN, PAYLOAD, phone=PHONE, email=EMAIL)
    assert (await scene.bound.post("/contacts", json=same)).status_code == 403
    assert (await scene.bound.post("/contacts", json=same | {"source": "web"})).status_code == 201


async def test_a_bound_bot_closes_its_own_and_finds_no_others(scene: Scene, engine: AsyncEngine) -> None:
    """A contact of another source is answered as one that does not exist, open or closed, whatever is sent along."""
    own = (await scene.bound.post("/contacts", json=body("b-1"))).json()
    assert (await scene.bound.post(f"/contacts/{own['id']}/close")).json()["status"] == "closed"

    async def answers() -> list[tuple[int, Any, Any]]:
        found = []
        for headers in ({}, {"If-Match": '"x"'}, {"If-Match": "*"}):
            for content in ({}, {"reason": "x"}, {"reason": 7}, {"why": 1}):
                for contact_id in (scene.contact_id, UUID(int=7)):
                    path = f"/contacts/{contact_id}/close"
                    answer = await scene.bound.post(path, json=content, headers=headers)
                    text = answer.text.replace(str(contact_id), "ID")
                    found.append((answer.status_code, text, sorted(answer.headers)))
        return found

    for _ in range(2):
        seen = await answers()
        assert seen[::2] == seen[1::2]
        assert {status for status, _, _ in seen} == {404, 422}
        await scene.admin.post(f"/contacts/{scene.contact_id}/close")
    assert [row.name for row in await made.all_audited(engine)] == ["site", "olga"]


@pytest.mark.parametrize(
    "sent",
    [
        body("n-1"),
        body("n-1", phone="+70000000000", email="other@example.com"),
        body("n-1", phone=PHONE[:-1]),
        body("n-1", phone=""),
        body("n-1", "none"),
        body(""),
        body("n-1") | {"lead": None},
    ],
    ids=["nothing", "others", "nearly", "blank", "no source", "no key", "no lead"],
)
async def test_a_submission_learns_nothing_of_the_lead(scene: Scene, sent: dict[str, Any]) -> None:
    """New, repeated, or refused: no answer holds what another bot sent; an admin is shown everything."""
    for who, bot in scene.bots().items():
        mine = sent | {"message_id": sent["message_id"] and f"{who}-key"}
        for _ in range(2):
            answer = await bot.post("/contacts", json=mine)
            assert not [secret for secret in SECRETS if secret in answer.text + str(answer.headers)], answer.text
        if answer.is_success:
            assert answer.json()["lead"]["phone"] is None
            shown = (await scene.admin.post("/contacts", json=mine)).json()["lead"]
            assert (shown["phone"], shown["email"]) == (PHONE, EMAIL)


async def test_no_operation_tells_a_bot_what_others_sent(scene: Scene, engine: AsyncEngine) -> None:
    """Every operation there is, with the ids of the other bot's contact and lead."""
    [contact] = await made.all_contacts(engine)
    ids = {"contacts": contact.id, "leads": contact.lead_id}
    tried = 0
    for operation in all_operations():
        for bot in scene.bots().values():
            path = operation.path.removeprefix(PREFIX)
            key = ids.get(path.split("/")[1], 1)
            for content in ({}, {"operator_id": 1}, body(NAME, FOREIGN), body("x", phone="1")):
                answer = await bot.request(operation.method, path.format(id=key), json=content)
                known = {NAME} if operation.handler.__name__ == "close_contact" and answer.is_success else set()
                # Its key is in the bot's own request where it is refused as used.
                known |= {NAME} if content.get("message_id") == NAME else set()
                assert not [s for s in {*SECRETS} - known if s in answer.text], (operation.path, answer.text)
                tried += 1
    assert tried > 100


async def test_a_bot_is_shown_what_it_sent(scene: Scene) -> None:
    """Phone and e-mail that are the stored ones, the payload as it came; who got the contact."""
    for who, bot in scene.bots().items():
        sent = body(f"{who}-1", payload={"b": 1, "a": [10**60]}, phone=PHONE, email=EMAIL)
        for status in (201, 200):
            answer = await bot.post("/contacts", json=sent)
            assert answer.status_code == status
            assert answer.json()["payload"] == sent["payload"]
            assert (answer.json()["lead"]["phone"], answer.json()["lead"]["email"]) == (PHONE, EMAIL)
            assert set(answer.json()) >= {"status", "operator", "operator_id"}


async def test_a_bot_that_is_bound_to_nothing_closes_and_learns_nothing(scene: Scene) -> None:
    """The outcome, without payload, phone and e-mail; again as well. The audit has the token's name."""
    for _ in range(2):
        answer = await scene.unbound.post(f"/contacts/{scene.contact_id}/close", json={"reason": "done"})
        closed = answer.json()
        assert (answer.status_code, closed["status"], closed["operator"]["name"]) == (200, "closed", "Olga")
        assert (closed["payload"], closed["lead"]["phone"], closed["lead"]["email"]) == (None, None, None)
        assert not [secret for secret in (PHONE, EMAIL, PAYLOAD) if secret in answer.text]
    [row] = await all_items(scene.admin, "/audit")
    assert (row["role"], row["name"], row["action"]) == ("bot", "any", "contact.closed")
    shown = (await scene.admin.post(f"/contacts/{scene.contact_id}/close")).json()
    assert (shown["payload"], shown["lead"]["phone"], len(shown["history"])) == (PAYLOAD, PHONE, 2)


@pytest.mark.parametrize("queue", ["blue.contacts.inbound.v1", "amq.topic", "other"])
async def test_a_replay_sends_no_reply_to_a_queue_that_is_refused(
    context: Context, engine: AsyncEngine, queue: str
) -> None:
    """The API replays what the worker parked, under the same rules: one message and all of a code."""
    queues = ReplyQueues("blue.", "answers.")
    tokens = parse_tokens(f"admin:olga:{ADMIN}")
    app = create_app(
        Context(context.database, tokens, replace(context.decoder, sender_rules=SenderRules(reply_queues=queues)))
    )
    names = (queue, "answers.x") * 2
    await made.take(engine, [made.as_sent(made.message(f"m-{n}", reply_to=name)) for n, name in enumerate(names)])
    await made.make_source(engine, {})
    before = len(await made.all_events(engine))
    admin = client(app, ADMIN)
    for row in (await made.all_parked(engine))[:2]:
        assert (await admin.post(f"/parked/{row.id}/replay")).json()["replayed"] == 1
    assert (await admin.post("/parked/replay", json={"code": "unknown_source"})).json()["replayed"] == 2
    assert len(await made.all_events(engine)) - before == 4 + 2
