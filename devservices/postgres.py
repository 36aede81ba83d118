"""A PostgreSQL for development: found, or started for the duration of a `with` block."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from devservices import databases
from devservices.apt import can_install, install
from devservices.container import Recipe, start_container
from devservices.errors import ServiceNotFoundError
from devservices.guard import Guard
from devservices.postgres_cluster import NOT_DURABLE, OPTIONS, USER, ClusterSettings, find_postgres, private_cluster
from devservices.progress import say
from devservices.server_process import unprivileged_user
from devservices.service import Service
from devservices.settings import DevSettings, read_settings
from devservices.temporary_folders import private_folder

_NAME = "postgres"


@dataclass
class Postgres(Service):
    """A PostgreSQL; the user of its `url` (postgresql+asyncpg://…) may create databases."""

    def create_database(self, template: str | None = None) -> str:
        """Create a database with a unique name, empty or a copy of the one at `template`; returns its address."""
        return databases.create_database(self.url, template)

    def drop_database(self, url: str) -> None:
        """Drop a database that was created here, and close its connections."""
        databases.drop_database(self.url, url)


@contextmanager
def postgres(*, control: bool = False, durable: bool = True) -> Iterator[Postgres]:
    """Find or start a PostgreSQL; one that was started ends with the block, or with this process.

    With `control`, one that can be stopped, killed and frozen: `TEST_DATABASE_URL` is ignored then.
    Without `durable`, its data does not survive a failure of the machine, and databases are created faster.
    """
    with ExitStack() as stack:
        yield _find(stack, read_settings(), control, OPTIONS if durable else [*OPTIONS, *NOT_DURABLE])


def _find(stack: ExitStack, settings: DevSettings, control: bool, options: list[str]) -> Postgres:
    if settings.database_url and not control:
        say(_NAME, "using the one of TEST_DATABASE_URL")
        return Postgres(databases.with_driver(settings.database_url), "url")
    result = _container(stack, settings, options) or _program(stack, options)
    if result is None and can_install() and install(_NAME, "postgresql"):
        result = _program(stack, options)
    if result is None:
        raise ServiceNotFoundError(
            "no PostgreSQL: set TEST_DATABASE_URL, start a Docker engine, or install PostgreSQL"
            " (Debian, Ubuntu: apt-get install postgresql)"
        )
    return result


def _container(stack: ExitStack, settings: DevSettings, options: list[str]) -> Postgres | None:
    password = secrets.token_hex(12)

    def address(host: str, port: int) -> str:
        return f"postgresql+asyncpg://{USER}:{password}@{host}:{port}/postgres"

    recipe = Recipe(
        image=settings.postgres_image,
        inner_port=5432,
        ready=lambda host, port: databases.answers(address(host, port)),
        variables={"POSTGRES_PASSWORD": password},
        arguments=options,
    )
    server = start_container(_NAME, recipe, stack)
    return Postgres(address(*server.address), "docker", server) if server else None


def _program(stack: ExitStack, options: list[str]) -> Postgres | None:
    tools = find_postgres()
    if tools is None:
        return None
    account = unprivileged_user()
    settings = ClusterSettings(private_folder("contacts-postgres-", account), tools, account, options)
    # SIGQUIT lets it release its shared memory, which outlives a killed server.
    guard = stack.enter_context(Guard(settings.folder, gentle=signal.SIGQUIT))
    say(_NAME, f"starting a private PostgreSQL on port {settings.port}")
    cluster = private_cluster(settings, guard)
    cluster.start()
    return Postgres(settings.url, "program", cluster)
