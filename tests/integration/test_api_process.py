"""`python -m admin_api` as a process: how it starts, refuses to start, and ends."""

import asyncio
import signal
import socket
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from devservices.postgres import Postgres
from tests.integration.api_process import ADMIN, environment, running
from tests.programs.forked import start

SECONDS = 60


async def refused(folder: Path, settings: Mapping[str, str]) -> str:
    """What a process says that does not start: one line, and an exit status that is not 0."""
    child = await start("admin_api", cwd=folder, env=environment(**settings))
    async with asyncio.timeout(SECONDS):
        out, err = await child.communicate()
    assert (child.returncode, out) == (2, b""), err
    [line] = err.decode().splitlines()
    return line


def test_serves_and_ends_with_0_on_sigterm(database_url: str, tmp_path: Path) -> None:
    """On either database: ready, makes something, stops when told to."""
    settings = {"DATABASE_URL": database_url, "ADMIN_API_TOKENS": "admin:olga:s3cret-of-an-admin"}
    with running(tmp_path, **settings) as (process, url), httpx2.Client(base_url=url, headers=ADMIN) as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/api/v1/operators", json={"name": "Olga"}).status_code == 201
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_makes_its_own_database_where_none_is_set(tmp_path: Path) -> None:
    """Without DATABASE_URL a file below the folder it was started in."""
    with running(tmp_path) as (process, url):
        assert httpx2.get(f"{url}/readyz").status_code == 200
        assert httpx2.get(f"{url}/api/v1/operators").status_code == 401
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert (tmp_path / "data" / "contacts.db").exists()


def test_what_no_server_takes_is_no_500(tmp_path: Path) -> None:
    """Raw bytes on the wire: targets, headers and bodies that a client library would not send."""
    with running(tmp_path, ADMIN_API_TOKENS="admin:s3cret-of-an-admin") as (_, url):
        for request in (
            b"GET /api/v1/operators/\xff%ff%00 HTTP/1.1",
            b"GET /api/v1/operators?limit=\xff HTTP/1.1",
            b"GET /api/v1/leads?phone=%ed%a0%80 HTTP/1.1",
            b"POST /api/v1/operators HTTP/1.1\r\nContent-Length: -1",
            b"POST /api/v1/operators HTTP/1.1\r\nContent-Length: 999999999",
            b"POST /api/v1/operators HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz",
            b"GET //api/v1/operators HTTP/1.1",
            b"GET http://elsewhere/api/v1/operators HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"nonsense",
        ):
            status = raw_status(
                url, request + b"\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer s3cret-of-an-admin\r\n\r\n"
            )
            assert status.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), (request, status)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"ADMIN_API_PORT": "eighty"}, "ADMIN_API_PORT"),
        ({"ADMIN_API_PORT": "65536"}, "ADMIN_API_PORT"),
        ({"ADMIN_API_TOKENS": "verysecret"}, "ADMIN_API_TOKENS"),
        ({"ADMIN_API_TOKENS": "root:verysecret"}, "ADMIN_API_TOKENS"),
        ({"ADMIN_API_TOKENS": "viewer:long-enough-for-all,admin:verysecret-1234"}, "ADMIN_API_TOKENS: entry 2"),
        ({"ADMIN_API_TRUSTED_PROXIES": "10.0.0.0/8, my-proxy"}, "ADMIN_API_TRUSTED_PROXIES"),
        ({"ADMIN_API_MAX_CONNECTIONS": "0"}, "ADMIN_API_MAX_CONNECTIONS"),
        ({"METRICS_PUBLIC": "perhaps"}, "METRICS_PUBLIC"),
        ({"ADMIN_API_HOST": "no-such-host.invalid"}, "ADMIN_API_HOST"),
        ({"DATABASE_URL": "mysql://u:verysecret@h/d"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql+asyncpg://u:verysecret@127.0.0.1:1/d"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite+aiosqlite:///empty.db"}, "alembic upgrade head"),
    ],
)
async def test_a_bad_start_is_one_line_without_secrets(tmp_path: Path, settings: dict[str, str], name: str) -> None:
    """The line names the setting and never repeats a password or a token."""
    line = await refused(tmp_path, settings)
    assert name in line
    assert "verysecret" not in line


async def test_an_unknown_schema_is_one_line(tmp_path: Path, postgres_server: Postgres) -> None:
    """A database without a schema, one from the future, and a file that is no database."""
    url = postgres_server.create_database()
    assert "alembic upgrade head" in await refused(tmp_path, {"DATABASE_URL": url})
    postgres_server.drop_database(url)
    file = tmp_path / "data" / "contacts.db"
    file.parent.mkdir()
    with sqlite3.connect(file) as future:
        future.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        future.execute("INSERT INTO alembic_version VALUES ('9999')")
    future.close()
    assert "9999" in await refused(tmp_path, {})
    file.write_text("This is no database at all. " * 100)
    assert "DATABASE_URL" in await refused(tmp_path, {})


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """It names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in await refused(tmp_path, {"ADMIN_API_PORT": str(port)})


def raw_status(url: str, request: bytes) -> bytes:
    """The status line that some bytes are answered with."""
    parts = httpx2.URL(url)
    with socket.create_connection((parts.host, parts.port or 80), timeout=SECONDS) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()
