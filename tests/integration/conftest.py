"""The admin API over an empty database; every answer is held against what its operation declares."""

import re
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.auth import parse_tokens
from admin_api.http.context import Context
from admin_api.http.token_guessing import Guesses
from admin_api.routes import all_operations
from distribution.intake.decoder import Decoder
from distribution.store.database import Database

ORIGIN = "http://api.test"
API = f"{ORIGIN}/api/v1"
TOKENS = {"admin": "admin-secret-0001", "viewer": "viewer-secret-0002", "bot": "bot-secret-000003"}
MAX_BYTES = 64 * 1024
MANY = 10_000

ClientOf = Callable[[str | None], httpx2.AsyncClient]


@pytest.fixture
def context(engine: AsyncEngine, random: Random) -> Context:
    """What the API works with: a token of each role."""
    tokens = parse_tokens(",".join(f"{role}:{token}" for role, token in TOKENS.items()))
    return Context(Database(engine, random), tokens, Decoder(MAX_BYTES), guesses=Guesses(burst=MANY))


@pytest.fixture
async def app(context: Context) -> AsyncIterator[Starlette]:
    """The running application."""
    made = create_app(context)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client_of(app: Starlette) -> AsyncIterator[ClientOf]:
    """Makes a client that sends a token, or none."""
    clients: list[httpx2.AsyncClient] = []

    def make(token: str | None) -> httpx2.AsyncClient:
        clients.append(client(app, token))
        return clients[-1]

    yield make
    for made in clients:
        await made.aclose()


@pytest.fixture
def admin(client_of: ClientOf) -> httpx2.AsyncClient:
    """A client with the role admin."""
    return client_of(TOKENS["admin"])


def client(app: Starlette, token: str | None) -> httpx2.AsyncClient:
    """A client of an application in this process; every answer is checked."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url=API,
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        event_hooks={"response": [check_declared]},
    )


async def check_declared(response: httpx2.Response) -> None:
    """A status that the operation declares, with the shape that it declares; errors are problems."""
    await response.aread()
    if response.request.method == "HEAD":
        return
    operation = next((o for o in all_operations() if _is_of(response.request, o.method, o.path)), None)
    shape = operation.answers.get(response.status_code) if operation else None
    if operation:
        assert response.status_code in operation.statuses, (operation.path, response.status_code, response.text)
    if response.status_code >= 400 and shape is None:
        check_problem(response)
    elif shape not in (None, str):
        TypeAdapter(shape).validate_python(response.json(), strict=True)
        assert response.headers["content-type"] == "application/json"


def check_problem(response: httpx2.Response) -> None:
    """RFC 9457, as the contract has it."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail"}, problem
    assert problem["status"] == response.status_code
    assert (response.status_code == 422) == ("errors" in problem), problem
    assert all(set(error) == {"field", "message"} for error in problem.get("errors", []))


def fields_of(response: httpx2.Response) -> list[str]:
    """The fields that a problem names."""
    assert response.status_code == 422, response.text
    return [error["field"] for error in response.json()["errors"]]


async def all_items(client: httpx2.AsyncClient, path: str, **params: Any) -> list[Any]:
    """Every item of a list, page by page."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = (await client.get(path, params=params | ({"cursor": cursor} if cursor else {}))).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def _is_of(request: httpx2.Request, method: str, path: str) -> bool:
    pattern = re.escape(path).replace(re.escape("{id}"), "[^/]+")
    return request.method == method and re.fullmatch(pattern, request.url.path) is not None
