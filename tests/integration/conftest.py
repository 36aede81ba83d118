"""The admin API over an empty database, each answer held against what is declared of it; and a worker's exchanges."""

import fcntl
from collections.abc import AsyncIterator, Iterator
from random import Random

import aio_pika
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.http.auth import parse_tokens
from admin_api.http.token_guessing import GuessLimiter
from devservices.broker import Broker
from distribution.intake.decoder import Decoder
from distribution.store.database import Database
from tests.integration.api_client import MANY, MAX_BYTES, TOKENS, ClientOf, client
from tests.integration.snippets import Exchanges


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


@pytest.fixture
def unprefixed(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The RabbitMQ of this run, with the names of an installation without a prefix left to one test at a time."""
    with (tmp_path_factory.getbasetemp().parent / "unprefixed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield rabbitmq


@pytest.fixture
async def exchanges(unprefixed: Broker) -> AsyncIterator[Exchanges]:
    """What a worker would have declared; nothing of it is left behind."""
    async with await aio_pika.connect(unprefixed.url) as connection:
        channel = await connection.channel()
        contacts, assignments = [
            await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
            for name in ("contacts", "assignments")
        ]
        inbound = await channel.declare_queue(exclusive=True)
        await inbound.bind(contacts, "contact.#")
        log = await channel.declare_queue("assignments.log", durable=True, arguments={"x-queue-type": "stream"})
        await log.bind(assignments, "#")
        yield Exchanges(unprefixed.url, channel, contacts, assignments, inbound)
        for queue in ("assignments.log", "my-subscriber"):
            await channel.queue_delete(queue)
        for exchange in ("contacts", "assignments"):
            await channel.exchange_delete(exchange)
