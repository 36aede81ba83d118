"""The admin API over an empty database; every answer is held against what its operation declares."""

from collections.abc import AsyncIterator
from random import Random

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from admin_api.http.token_guessing import GuessLimiter
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from tests.integration.api_client import MANY, MAX_BYTES, TOKENS, ClientOf, client


@pytest.fixture
def context(engine: AsyncEngine, random: Random) -> Context:
    """What the API works with: a token of each role."""
    tokens = parse_tokens(",".join(f"{role}:{token}" for role, token in TOKENS.items()))
    return Context(Database(engine, random), tokens, Decoder(MAX_BYTES), guesses=GuessLimiter(burst=MANY))


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
