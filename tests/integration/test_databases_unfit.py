"""Databases that cannot hold what we keep in them: every program says why in one line, and keeps its hands off them."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from devservices.app_process import app_environment
from devservices.ports import free_ports
from devservices.postgres import Postgres, postgres
from distribution.store.engine import create_engine
from distribution.store.transactions import reading
from tests.integration.postgres_servers import ask, become_standby, tell
from tests.programs.forked import start

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "worker": ["worker"],
    "admin_api": ["admin_api"],
    "contacts-worker": ["worker.cli.main", "check"],
    "alembic": ["alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"],
}
Make = Callable[[str], Awaitable[str]]
SECRET = "hush4c1d9e"  # noqa: S105  # what is looked for
ROLE = f"contacts_on_both_{os.getpid()}"  # the server is shared by the test processes
USER = (f"CREATE ROLE {ROLE} LOGIN PASSWORD '{SECRET}'",)


async def said(folder: Path, program: str, url: str) -> str:
    """What a program says, in one line, of a database with which it does not start."""
    module, *arguments = PROGRAMS[program]
    child = await start(module, arguments, cwd=folder, env=app_environment({"DATABASE_URL": url}))
    printed = b"".join(await child.communicate()).decode()
    assert child.returncode == (255 if program == "alembic" else 2), printed
    (line,) = [line for line in printed.splitlines() if not line.startswith("INFO")]
    assert "DATABASE_URL" in line
    return line


@pytest.fixture
async def make(postgres_server: Postgres) -> AsyncIterator[Make]:
    """Makes databases, with options of their own; gives their addresses."""
    made: list[str] = []

    async def made_with(options: str = "") -> str:
        name = f"contacts_test_{secrets.token_hex(6)}"
        await ask(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE template0 {options}", "SELECT 1")
        made.append(name)
        return sa.make_url(postgres_server.url).set(database=name).render_as_string(hide_password=False)

    yield made_with
    for name in made:
        await ask(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)", "SELECT 1")


@pytest.fixture(scope="module")
def standby() -> Iterator[Postgres]:
    """A server that is one, with a user of its own."""
    with postgres(control=True) as server:
        tell(server.url, *USER, "SELECT 1")
        become_standby(server)
        yield server


@pytest.mark.parametrize("program", PROGRAMS)
async def test_latin1(make: Make, tmp_path: Path, program: str) -> None:
    """There every emoji would be parked."""
    line = await said(tmp_path, program, await make("ENCODING 'LATIN1' LOCALE 'C'"))
    assert "its encoding is LATIN1, which cannot hold every name and message" in line


async def test_no_encoding_at_all(make: Make, tmp_path: Path) -> None:
    """SQL_ASCII takes any bytes for text."""
    assert "encoding is SQL_ASCII" in await said(tmp_path, "alembic", await make("ENCODING 'SQL_ASCII' LOCALE 'C'"))


@pytest.mark.parametrize("program", ["worker", "alembic"])
async def test_no_writes(make: Make, tmp_path: Path, program: str) -> None:
    """Read-only by a setting, as providers have it while the disk is full."""
    url = await make("")
    await ask(url, f"ALTER DATABASE {sa.make_url(url).database} SET default_transaction_read_only = on", "SELECT 1")
    assert "default_transaction_read_only is on" in await said(tmp_path, program, url)


@pytest.mark.parametrize("program", ["worker", "alembic"])
async def test_no_schema(make: Make, tmp_path: Path, program: str) -> None:
    """A search_path that leads nowhere is told apart from a database without tables."""
    url = await make("")
    line = await said(tmp_path, program, f"{url}?options=-c%20search_path%3Dnowhere")
    assert "no schema in the search_path" in line


async def test_no_right_to_make_tables(make: Make, tmp_path: Path) -> None:
    """As for a user who owns nothing, from PostgreSQL 15 on."""
    url = await make("")
    role = f"r{secrets.token_hex(4)}"
    await ask(
        url, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'", "REVOKE CREATE ON SCHEMA public FROM public", "SELECT 1"
    )
    as_role = sa.make_url(url).set(username=role, password=role).render_as_string(hide_password=False)
    assert "may create no tables in the schema public" in await said(tmp_path, "alembic", as_role)
    await ask(url, f"DROP ROLE {role}", "SELECT 1")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_standby(standby: Postgres, tmp_path: Path, program: str) -> None:
    """It could be read, and nothing else."""
    assert "it is a standby, which takes no writes" in await said(tmp_path, program, standby.url)


async def test_nothing_but_standbys(standby: Postgres, tmp_path: Path) -> None:
    """What is asked for of several servers is said of each that has not got it, or is not there."""
    gone = f"127.0.0.1:{free_ports(1)[0]}"
    url = sa.make_url(standby.url)
    several = (
        f"postgres://{url.username}:{SECRET}@{url.host}:{url.port},{gone}/postgres?target_session_attrs=read-write"
    )
    line = await said(tmp_path, "worker", several)
    assert f"{url.host}: the server takes no writes (a standby, or read-only)" in line
    assert f"{url.host}:{url.port},{gone}/postgres" in line
    assert SECRET not in line


@pytest.fixture
async def user(postgres_server: Postgres) -> AsyncIterator[None]:
    """The same user on the primary."""
    await ask(postgres_server.url, *USER, "SELECT 1")
    yield
    await ask(postgres_server.url, f"DROP ROLE {ROLE}", "SELECT 1")


@pytest.mark.usefixtures("user")
async def test_the_primary_among_several(standby: Postgres, postgres_server: Postgres) -> None:
    """The next server is tried after one that is gone or takes no writes; words of libpq reach the one that is used."""
    hosts = [f"{url.host}:{url.port}" for url in map(sa.make_url, (standby.url, postgres_server.url))]
    places = ",".join((f"127.0.0.1:{free_ports(1)[0]}", *hosts))
    words = "target_session_attrs=read-write&application_name=crm&connect_timeout=7"
    engine = create_engine(f"postgresql://{ROLE}:{SECRET}@{places}/postgres?{words}")
    for _ in range(2):
        async with reading(engine) as conn:
            found = await conn.execute(sa.text("SELECT pg_is_in_recovery(), current_setting('application_name')"))
            assert found.one() == (False, "crm")
        await engine.dispose()


@pytest.mark.usefixtures("user")
async def test_a_server_that_hangs_is_passed_over(postgres_server: Postgres) -> None:
    """Each of several servers gets `connect_timeout`; the one that was used last comes first, so it costs that once."""
    url = sa.make_url(postgres_server.url)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        places = f"127.0.0.1:{hanging.getsockname()[1]},{url.host}:{url.port}"
        engine = create_engine(f"postgresql://{ROLE}:{SECRET}@{places}/postgres?connect_timeout=0.5")
        async with reading(engine) as first, reading(engine) as second:
            for conn in (first, second):
                assert await conn.scalar(sa.text("SELECT 1")) == 1
        await engine.dispose()
        hanging.setblocking(False)
        hanging.accept()[0].close()
        with pytest.raises(BlockingIOError):
            hanging.accept()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_word_that_is_not_understood(tmp_path: Path, program: str) -> None:
    """One line instead of the driver's traceback, without the password."""
    line = await said(tmp_path, program, f"postgres://u:{SECRET}@127.0.0.1:1/x?sslmode=require&pool_timeout=0")
    assert "pool_timeout" in line
    assert SECRET not in line
