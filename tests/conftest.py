"""Services and databases for the tests: real ones, started for the run and stopped after it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker, broker
from devservices.postgres import Postgres, postgres
from distribution.store import schema
from distribution.store.engine import create_engine
from tests.plain_tracebacks import log_plain_tracebacks
from tests.shared_services import AddressOf, SharedServices, by_asking

BACKENDS = ("sqlite", "postgresql")
SHARED = pytest.StashKey[SharedServices]()
ADDRESS_OF = pytest.StashKey[AddressOf]()


def pytest_configure(config: pytest.Config) -> None:
    """Share services among the test processes; in one of these, ask the process that started it."""
    log_plain_tracebacks()
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[ADDRESS_OF] = by_asking(*given["services"])
        return
    shared = SharedServices()
    config.add_cleanup(shared.close)
    config.stash[SHARED] = shared
    config.stash[ADDRESS_OF] = shared.address_of


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the address of the shared services to a test process."""
    shared = node.config.stash[SHARED]
    node.workerinput["services"] = (shared.port, shared.key)


@pytest.fixture
def random() -> Random:
    """A generator with the same sequence in every run."""
    return Random(20261123)


@pytest.fixture(scope="session")
def rabbitmq(pytestconfig: pytest.Config) -> Broker:
    """The RabbitMQ of this run, shared by all test processes."""
    return Broker(pytestconfig.stash[ADDRESS_OF]("rabbitmq"), "url")


@pytest.fixture(scope="session")
def own_broker() -> Iterator[Broker]:
    """A RabbitMQ of this test process, to stop, freeze and limit; each test restores it."""
    with broker(control=True) as service:
        yield service


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Postgres:
    """The PostgreSQL of this run, shared by all test processes."""
    return Postgres(pytestconfig.stash[ADDRESS_OF]("postgres"), "url")


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """A durable PostgreSQL of this test process, to stop, freeze and kill; each test restores it."""
    with postgres(control=True) as service:
        yield service


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, built by the real migrations, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    schema.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> Iterator[str]:
    """A PostgreSQL database with the schema, built by the real migrations, to copy."""
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
    new_engine = create_engine(database_url)
    yield new_engine
    await new_engine.dispose()
