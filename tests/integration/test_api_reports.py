"""How things stand, and who changed what, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from distribution.allocation.load_correction import BY_ITSELF
from distribution.audit import Action, record
from distribution.optimistic_locking import Actor
from distribution.store import broker_queue_depths
from distribution.store.tables import metadata
from distribution.store.transactions import transaction
from tests.factories import all_contacts, all_parked, as_sent, make_operator, make_source, message, messages, take
from tests.integration.api_client import all_items, client
from worker.cli.session import SHELL

SECRETS = {"olga": "s3cret-of-olga-p", "": "s3cret-of-nobody"}


@pytest.fixture
def named(context: Context) -> Starlette:
    """The API with one admin's token that has a name and one that has none."""
    tokens = parse_tokens(f"admin:olga:{SECRETS['olga']},admin:{SECRETS['']}")
    return create_app(Context(context.database, tokens, context.decoder))


async def test_stats_tell_loads_and_waits(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Per operator load and limit, per source how many wait and since when, and totals without the closed."""
    nothing = (await admin.get("/stats")).json()
    assert (nothing["operators"], nothing["sources"], nothing["totals"]) == ([], [], {"waiting": 0, "active": 0})
    olga, ivan = await make_operator(engine, "Olga", 2), await make_operator(engine, "Ivan", 5, active=False)
    first, second = await make_source(engine, {olga: 1, ivan: 1}), await make_source(engine, {}, "web")
    await take(engine, messages(f"m{n}" for n in range(4)))
    await admin.post(f"/contacts/{(await all_contacts(engine))[0].id}/close")
    stats = (await admin.get("/stats")).json()
    assert stats["operators"] == [
        {"id": olga, "name": "Olga", "is_active": True, "load": 2, "max_active_contacts": 2},
        {"id": ivan, "name": "Ivan", "is_active": False, "load": 0, "max_active_contacts": 5},
    ]
    assert stats["totals"] == {"waiting": 1, "active": 2}
    busy, idle = stats["sources"]
    assert idle == {"id": second, "code": "web", "waiting": 0, "oldest_wait": None, "oldest_wait_seconds": None}
    [waiting] = await all_items(admin, "/contacts", status="waiting")
    assert (busy["id"], busy["waiting"], busy["oldest_wait"]) == (first, 1, waiting["created_at"])
    since = datetime.fromisoformat(stats["time"]) - datetime.fromisoformat(busy["oldest_wait"])
    assert abs(since.total_seconds() - busy["oldest_wait_seconds"]) <= 0.002  # each is rounded


async def test_stats_tell_what_the_broker_gave_up(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """As a worker measured it lately; an old measurement says nothing."""
    assert (await admin.get("/stats")).json()["dead"] is None
    now = datetime.now(UTC)
    for moment, number in ((now - timedelta(minutes=3), None), (now, 7)):
        async with transaction(engine) as conn:
            await broker_queue_depths.write(conn, {broker_queue_depths.INBOUND: 1, broker_queue_depths.DEAD: 7}, moment)
        assert (await admin.get("/stats")).json()["dead"] == number


async def test_every_change_is_kept_with_who_made_it(named: Starlette, engine: AsyncEngine) -> None:
    """One row each, with what was so before and after; what changed nothing and what was refused has none."""
    async with client(named, SECRETS["olga"]) as olga, client(named, SECRETS[""]) as unnamed:
        assert [answer.status_code for answer in await a_days_work(olga, unnamed, engine)] == [
            201, 201, 200, 200, 409, 200, 412, 200, 201, 200, 200, 200, 200, 204, 204, 204, 422,
        ]  # fmt: skip
        rows = await all_items(olga, "/audit")
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    for row in rows:
        assert set(row) == {"id", "time", "role", "name", "action", "object_kind", "object_id", "before", "after"}
    operator = {"name": "Olga", "is_active": True, "max_active_contacts": 1}
    source = {"code": "telegram-bot", "name": "telegram-bot", "strategy": "weighted_random", "sticky": False}
    source["dedupe_window"] = None
    weights = {"operators": [{"operator_id": 1, "weight": 3}]}
    contact, (replayed, dropped) = (await all_contacts(engine))[0], await all_parked(engine)
    unused, web = operator | {"name": "Unused", "max_active_contacts": 10}, source | {"code": "web", "name": "Web"}
    rejected = {"state": "rejected", "code": "unknown_source", "attempts": 1}
    assert [(row["name"], row["action"], row["object_id"], row["before"], row["after"]) for row in reversed(rows)] == [
        ("olga", "operator.made", "1", None, operator),
        ("olga", "source.made", "1", None, source),
        ("olga", "source.weights_changed", "1", {"operators": []}, weights),
        (None, "operator.changed", "1", operator, operator | {"name": "Olga P."}),
        ("olga", "source.changed", "1", source, source | {"sticky": True}),
        ("olga", "contact.closed", str(contact.id), {"status": "active", "operator_id": 1},
         {"status": "closed", "operator_id": 1, "reason": "done"}),
        (None, "parked.replayed", str(replayed.id), rejected, rejected | {"attempts": 2}),
        (None, "parked.replayed", "unknown_source", None, {"replayed": 0, "parked_again": 2}),
        (None, "parked.dropped", str(dropped.id), rejected | {"attempts": 2},
         {"state": "dropped", "code": "unknown_source", "attempts": 2}),
        ("olga", "operator.made", rows[3]["object_id"], None, unused),
        ("olga", "operator.removed", rows[3]["object_id"], unused, None),
        ("olga", "source.made", rows[1]["object_id"], None, web),
        ("olga", "source.removed", rows[1]["object_id"], web, None),
    ]  # fmt: skip


async def a_days_work(
    olga: httpx2.AsyncClient, unnamed: httpx2.AsyncClient, engine: AsyncEngine
) -> list[httpx2.Response]:
    """Changes of every kind, some of which change nothing or are refused."""
    weights = {"operators": [{"operator_id": 1, "weight": 3}]}
    answers = [
        await olga.post("/operators", json={"name": "Olga", "max_active_contacts": 1}),
        await olga.post("/sources", json={"code": "telegram-bot"}),
        await olga.put("/sources/1/operators", json=weights),
        await olga.put("/sources/1/operators", json=weights),
        await olga.post("/sources", json={"code": "telegram-bot"}),
        await unnamed.patch("/operators/1", json={"name": "Olga P."}),
        await unnamed.patch("/operators/1", json={"name": "Renamed"}, headers={"If-Match": '"old"'}),
        await olga.patch("/sources/1", json={"sticky": True}),
    ]
    body = {"source": "telegram-bot", "lead": {"external_id": "x"}, "message_id": "m"}
    answers.append(await olga.post("/contacts", json=body))
    await take(engine, [as_sent(message(f"p{n}", source="fax")) for n in range(2)])
    contact, (first, last) = (await all_contacts(engine))[0], await all_parked(engine)
    answers += [
        await olga.post(f"/contacts/{contact.id}/close", json={"reason": "done"}),
        await olga.post(f"/contacts/{contact.id}/close", json={"reason": "again"}),
        await unnamed.post(f"/parked/{first.id}/replay"),
        await unnamed.post("/parked/replay", json={"code": "unknown_source"}),
        await unnamed.delete(f"/parked/{last.id}"),
    ]
    for path, made in (("/operators", {"name": "Unused"}), ("/sources", {"code": "web", "name": "Web"})):
        one = (await olga.post(path, json=made)).headers["location"].removeprefix("/api/v1")
        answers.append(await olga.delete(one))
    answers.append(await olga.patch("/operators/1?reassign=true", json={}))
    return answers


async def test_the_audit_is_filtered_and_holds_no_secret(named: Starlette, engine: AsyncEngine) -> None:
    """By object, by action, by who, alone and together; no token is in any table."""
    async with client(named, SECRETS["olga"]) as olga, client(named, SECRETS[""]) as unnamed:
        for who, name in ((olga, "A"), (unnamed, "B")):
            made = (await who.post("/operators", json={"name": name})).json()
            await who.patch(f"/operators/{made['id']}", json={"name": f"{name}{name}"})
        await unnamed.post("/sources", json={"code": "bot"})
        async with transaction(engine) as conn:
            for role in (SHELL, BY_ITSELF.role):
                await record(conn, Actor(role), Action.OPERATOR_REPAIRED, 7, {"load": 1}, {"load": 0})
        both: dict[str, Any] = {"object_kind": "operator", "object_id": "1"}
        for params, found in (
            ({}, 7),
            ({"object_kind": "operator"}, 6),
            (both, 2),
            (both | {"action": "operator.changed"}, 1),
            (both | {"name": "ivan"}, 0),
            ({"object_id": "1"}, 3),
            ({"action": "source.made"}, 1),
            ({"role": "admin"}, 5),
            ({"role": "bot"}, 0),
            ({"role": "shell"}, 1),
            ({"role": "system"}, 1),
            ({"name": "olga"}, 2),
        ):
            for limit in (1, 50):
                assert len(await all_items(olga, "/audit", limit=limit, **params)) == found, params
    async with transaction(engine) as conn:
        everything = [str((await conn.execute(table.select())).all()) for table in metadata.sorted_tables]
    assert not any("s3cret" in rows for rows in everything)
