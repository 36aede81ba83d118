"""A PostgreSQL of a test's own, changed through SQL alone, so that it does not matter how it was started."""

import asyncio
from collections.abc import Sequence

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import sqlalchemy as sa

from devservices.postgres import Postgres

NO_BACKSLASH = "as COPY would write it twice"


async def ask(url: str, *statements: str) -> list[list[object]]:
    """Run statements one after the other, each by itself; returns the rows of the last one."""
    parts = sa.make_url(url)
    connection = await asyncpg.connect(
        host=parts.host, port=parts.port, user=parts.username, password=parts.password, database=parts.database
    )
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return [list(row) for row in await connection.fetch(statements[-1])]
    finally:
        await connection.close()


def tell(url: str, *statements: str) -> None:
    """The same where no loop runs."""
    asyncio.run(ask(url, *statements))


def put(name: str, content: str) -> str:
    """The statement that writes a file into the server's folder of data, for itself alone."""
    assert "\\" not in content, NO_BACKSLASH
    rows = f"SELECT unnest(string_to_array($text${content.rstrip()}$text$, chr(10)))"
    return f"COPY ({rows}) TO PROGRAM 'umask 077; cat > {name}'"


def settings(**values: str) -> Sequence[str]:
    """The statements that change the server's configuration; it has to reload or to start again."""
    return [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in values.items()]


def become_standby(server: Postgres) -> None:
    """Make it one that follows nobody: it can be read, and takes no writes."""
    tell(server.url, "COPY (SELECT) TO PROGRAM 'cat > standby.signal'", "SELECT 1")
    server.restart()
