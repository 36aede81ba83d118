"""Liveness, readiness, metrics, and a database that is away."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from random import Random

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from admin_api.readiness import READY_SECONDS, Readiness
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from distribution.store.engine import create_engine, dispose
from distribution.store.transactions import transaction
from tests.factories import all_contacts, make_source, message, take
from tests.integration.api_client import MAX_BYTES, ORIGIN, TOKENS, ClientOf, client
from tests.polling import until

PROBE_SECONDS = 30
NOBODY_LISTENS = "postgresql+asyncpg://u:p@127.0.0.1:1/x"


@pytest.fixture
async def cut_off() -> AsyncIterator[httpx2.AsyncClient]:
    """An admin of an API whose database is away."""
    tokens = parse_tokens(f"admin:{TOKENS['admin']}")
    app = create_app(Context(Database(create_engine(NOBODY_LISTENS), Random(1)), tokens, Decoder(MAX_BYTES)))
    async with app.router.lifespan_context(app), client(app, TOKENS["admin"]) as admin:
        yield admin


async def test_is_ready_with_the_known_schema(admin: httpx2.AsyncClient) -> None:
    """200 and nothing in the way."""
    ready = await admin.get(f"{ORIGIN}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": []})


async def test_is_not_ready_while_the_database_is_silent() -> None:
    """A server that accepts connections and says nothing is reported in time: a probe does not wait for it."""
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = create_engine(f"postgresql+asyncpg://u:p@127.0.0.1:{port}/x")
    async with asyncio.timeout(PROBE_SECONDS):
        assert await Readiness().problem(engine) == f"The database does not answer within {READY_SECONDS:.0f} s."
    await dispose(engine)
    for writer in accepted:
        writer.close()
    server.close()


async def test_is_not_ready_with_another_schema(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """503 says which command to run."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    ready = await admin.get(f"{ORIGIN}/readyz")
    assert ready.status_code == 503
    assert "alembic upgrade head" in ready.json()["problems"][0]
    assert (await admin.get(f"{ORIGIN}/healthz")).status_code == 200


async def test_a_database_that_is_away_is_503_and_never_500(cut_off: httpx2.AsyncClient) -> None:
    """With the hint to try again; alive, but not ready."""
    assert (await cut_off.get(f"{ORIGIN}/readyz")).status_code == 503
    assert (await cut_off.get(f"{ORIGIN}/healthz")).status_code == 200
    body = {"source": "bot", "lead": {"external_id": "x"}, "message_id": "m"}
    for answer in (
        await cut_off.get("/operators"),
        await cut_off.post("/operators", json={"name": "Olga"}),
        await cut_off.patch("/operators/1", json={"name": "Olga"}),
        await cut_off.post("/contacts", json=body),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    assert (await cut_off.post("/operators", json={})).status_code == 422


async def test_a_fault_of_ours_is_500_without_details(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The answer tells nothing, the log everything."""
    await make_source(engine, {})
    await take(engine, [message("m1")])
    [contact] = await all_contacts(engine)
    async with transaction(engine) as conn:
        await conn.execute(sa.text("UPDATE rosters SET body = 'spoilt'"))
    with capture_logs() as logged:
        answer = await admin.get(f"/contacts/{contact.id}")
    assert answer.status_code == 500
    assert "spoilt" not in answer.text
    [entry] = [line for line in logged if line["log_level"] == "error"]
    assert isinstance(entry["exc_info"], ValueError)


async def test_metrics_are_open_where_that_is_set(context: Context) -> None:
    """METRICS_PUBLIC lets everybody read them, and nothing else."""
    app = create_app(dataclasses.replace(context, metrics_public=True))
    async with client(app, None) as anonymous:
        assert (await anonymous.get(f"{ORIGIN}/metrics")).status_code == 200
        assert (await anonymous.get("/operators")).status_code == 401


async def test_without_any_token_everything_is_refused(context: Context) -> None:
    """And the answer says what to set."""
    app = create_app(dataclasses.replace(context, tokens=parse_tokens("")))
    async with client(app, TOKENS["admin"]) as admin:
        answer = await admin.get("/operators")
        assert answer.status_code == 401
        assert "ADMIN_API_TOKENS" in answer.json()["detail"]
        assert (await admin.get(f"{ORIGIN}/readyz")).status_code == 200


async def test_requests_are_counted_by_route_method_and_status(client_of: ClientOf) -> None:
    """Ids, unknown paths and invented methods make no labels of their own."""
    admin = client_of(TOKENS["admin"])
    for number in range(1, 4):
        await admin.get(f"/operators/{number}")
    await admin.request("BREW", "/operators")
    await admin.get(f"{ORIGIN}/nothing")
    lines = (await admin.get(f"{ORIGIN}/metrics")).text.splitlines()
    for line in (
        'contacts_api_requests_total{method="GET",route="/api/v1/operators/{id}",status="404"} 3.0',
        'contacts_api_requests_total{method="other",route="/api/v1/operators",status="405"} 1.0',
        'contacts_api_requests_total{method="GET",route="other",status="404"} 1.0',
        'contacts_api_request_duration_seconds_count{method="GET",route="/api/v1/operators/{id}"} 3.0',
    ):
        assert line in lines


async def test_readiness_is_asked_once_for_all_at_the_same_time(client_of: ClientOf, engine: AsyncEngine) -> None:
    """It takes no token, so it is no way to keep the database busy; a finding is kept for a moment only."""
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    anonymous = client_of(None)
    event.listen(engine.sync_engine, "before_cursor_execute", count)
    await anonymous.get(f"{ORIGIN}/readyz")
    once = asked
    answers = await asyncio.gather(*(anonymous.get(f"{ORIGIN}/readyz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked <= 2 * once
    event.remove(engine.sync_engine, "before_cursor_execute", count)
    async with transaction(engine) as conn:
        await conn.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))

    async def is_unready() -> bool:
        return (await anonymous.get(f"{ORIGIN}/readyz")).status_code == 503

    await until(is_unready)
