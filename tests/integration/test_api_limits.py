"""How large a body may be depends on who may send it: messages as over AMQP, what admins set up far more."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.app_context import MAX_ADMIN_BYTES, Context
from admin_api.http.auth import Role, parse_tokens
from admin_api.http.operation import Operation
from admin_api.routes import all_operations
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from distribution.store.tables import MAX_ID, operators
from distribution.store.transactions import transaction
from tests.factories import make_source
from tests.integration.api_client import MAX_BYTES, TOKENS, client

WEIGHTS = 10_000
WITH_BODY = [operation for operation in all_operations() if operation.body]
SMALL = 80 * 1024


def name_of(operation: Operation) -> str:
    """For the test's name."""
    return f"{operation.method} {operation.path}"


async def make_operators(engine: AsyncEngine, number: int) -> list[int]:
    """So many of them, with the longest ids there are."""
    ids, now = list(range(MAX_ID - number, MAX_ID)), datetime.now(UTC)
    rows = [
        {"id": id_, "name": f"o{id_}", "is_active": True, "max_active_contacts": 1, "created_at": now} for id_ in ids
    ]
    async with transaction(engine) as conn:
        await conn.execute(sa.insert(operators), rows)
    return ids


async def test_ten_thousand_weights_are_set_at_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Whatever MAX_MESSAGE_BYTES is, and however roomily a program writes JSON."""
    ids = await make_operators(engine, WEIGHTS)
    source_id = await make_source(engine, {})
    weights = {"operators": [{"operator_id": id_, "weight": 10_000} for id_ in ids]}
    for indent in (None, 4):
        body = json.dumps(weights, indent=indent).encode()
        assert MAX_BYTES < len(body) < MAX_ADMIN_BYTES
        answer = await admin.put(f"/sources/{source_id}/operators", content=body)
        assert (answer.status_code, len(answer.json()["operators"])) == (200, WEIGHTS)


@pytest.fixture
def small_app(engine: AsyncEngine, random: Random) -> Starlette:
    """Admins may send 80 KiB, bots 64."""
    tokens = parse_tokens(f"admin:{TOKENS['admin']}")
    return create_app(Context(Database(engine, random), tokens, Decoder(MAX_BYTES), max_admin_bytes=SMALL))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
async def test_every_route_has_the_limit_of_who_may_use_it(small_app: Starlette, operation: Operation) -> None:
    """One byte more is 413 and names the limit, at the limit the body is looked at."""
    limit = MAX_BYTES if Role.BOT in operation.roles else SMALL
    path = operation.path.removeprefix("/api/v1").replace("{id}", _an_id(operation))
    async with client(small_app, TOKENS["admin"]) as http:
        fits = await http.request(operation.method, path, content=b" " * limit)
        over = await http.request(operation.method, path, content=b" " * (limit + 1))
    assert (fits.status_code, over.status_code) == (400, 413)
    assert over.json()["detail"] == f"The body has more than {limit} bytes."


def _an_id(operation: Operation) -> str:
    schema: Any = operation.key.schema if operation.key else {}
    return "1" if schema.get("type") == "integer" else "00000000-0000-0000-0000-000000000001"
