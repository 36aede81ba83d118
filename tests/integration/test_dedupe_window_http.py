"""A source's dedupe_window over HTTP: set there, and the same for what is submitted there."""

import json
from collections import Counter
from collections.abc import Sequence
from random import Random

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from admin_api.http.token_guessing import GuessLimiter
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from tests import factories as made
from tests.integration.api_client import MANY, MAX_BYTES, TOKENS, client
from tests.integration.concurrent_intake import side_by_side, worker
from tests.integration.dedupe_source import open_source


async def test_the_broker_and_http_at_once_make_one_contact(engine: AsyncEngine, database_url: str) -> None:
    """A bot that falls back to HTTP while its message is still on its way."""
    await open_source(engine)

    async def over_http(own: AsyncEngine, random: Random) -> Counter[str]:
        database, tokens = Database(own, random), parse_tokens(f"bot:{TOKENS['bot']}")
        context = Context(database, tokens, Decoder(MAX_BYTES), guesses=GuessLimiter(burst=MANY))
        app, counts = create_app(context), Counter[str]()
        async with app.router.lifespan_context(app), client(app, TOKENS["bot"]) as bot:
            for i in range(10):
                content = json.loads(made.body(f"lead-{i}", payload=i)) | {"message_id": f"http-{random.random()}"}
                answer = await bot.post("/contacts", json=content)
                counts[{201: "active", 200: "repeated"}[answer.status_code]] += 1
        return counts

    by_broker = worker([made.message(f"amqp-{i}", f"lead-{i}", payload=i) for i in range(10)], 3)
    counts = await side_by_side(database_url, by_broker, over_http, over_http)
    assert counts == {"active": 10, "repeated": 20}
    assert len(await made.all_contacts(engine)) == 10


async def test_over_http_a_repeat_is_200_with_the_contact_there_is(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """The same contact, under the key it was made with."""
    await open_source(engine)
    await made.take(engine, [made.message("amqp", payload="hi")])
    content = json.loads(made.body(payload="hi"))
    answer = await admin.post("/contacts", json=content | {"message_id": "http"})
    [contact] = await made.all_contacts(engine)
    assert (answer.status_code, answer.json()["id"], answer.json()["message_id"]) == (200, str(contact.id), "amqp")
    again = await admin.post("/contacts", json=content | {"message_id": "http"})
    assert (again.status_code, again.json()["id"]) == (200, str(contact.id))
    reused = await admin.post("/contacts", json=content | {"message_id": "http", "payload": "other"})
    assert reused.status_code == 409


async def test_the_window_begins_when_it_is_set(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Off, on, off over HTTP: it holds for what is submitted from then on, and for contacts made under it."""
    source_id = await open_source(engine, None)
    path = f"/sources/{source_id}"

    async def take(*keys_: str) -> Counter[str]:
        return (await made.take(engine, [made.message(key, payload="hi") for key in keys_])).counts

    assert await take("a", "b") == {"active": 2}
    assert (await admin.patch(path, json={"dedupe_window": 60})).json()["dedupe_window"] == 60
    assert await take("c", "d") == {"active": 1, "repeated": 1}
    assert (await admin.patch(path, json={"name": "Bot"})).json()["dedupe_window"] == 60
    assert (await admin.patch(path, json={"dedupe_window": 0})).json()["dedupe_window"] is None
    assert await take("e") == {"active": 1}
    assert await take("d") == {"repeated": 1}
    rows: Sequence[sa.Row[tuple[str, str]]] = await made.all_audited(engine)
    assert [(json.loads(row.before)["dedupe_window"], json.loads(row.after)["dedupe_window"]) for row in rows] == [
        (None, 60), (60, 60), (60, None),
    ]  # fmt: skip
