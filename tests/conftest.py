"""Services and databases for the tests: real ones, made for the run and ended with it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker, broker
from devservices.postgres import Postgres, postgres
from distribution.store import schema
from distribution.store.engine import create_engine

BACKENDS = ("sqlite", "postgresql")


@pytest.fixture
def random() -> Random:
    """The same draws in every run."""
    return Random(20261123)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Broker]:
    """A RabbitMQ for this run."""
    with broker() as found:
        yield found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL for this run."""
    with postgres() as found:
        yield found


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, built by the real revisions, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    schema.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> Iterator[str]:
    """A PostgreSQL database with the schema, built by the real revisions, to copy."""
    url = postgres_server.create_database()
    schema.upgrade(url)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database with the schema, once on each backend."""
    if request.param == "sqlite":
        path = tmp_path / "contacts.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.create_database(template=request.getfixturevalue("postgres_template"))
        yield url
        server.drop_database(url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    made = create_engine(database_url)
    yield made
    await made.dispose()
