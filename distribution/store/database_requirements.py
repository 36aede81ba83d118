"""Whether a database can hold our data at all; checked at the start, before anything is lost in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.postgresql_engine import is_pooled

OLDEST_POSTGRESQL = 130_000
OLDEST_SQLITE = (3, 35, 0)
UTF8 = "UTF8"
POSTGRESQL = sa.text(
    "SELECT current_setting('server_encoding') AS encoding, current_setting('server_version') AS version,"
    " CAST(current_setting('server_version_num') AS integer) AS number, pg_is_in_recovery() AS standby,"
    " current_setting('default_transaction_read_only') = 'on' AS read_only, current_schema() AS schema,"
    " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create"
)
POOLED = (
    "the address leads to a pooler such as PgBouncer, which parts the work of the revisions over sessions, and their"
    " locks would be left in them: give this command the address of the server itself"
)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a PostgreSQL server reports about itself, the database and the user. `number`: version, such as 150020."""

    encoding: str
    version: str
    number: int
    standby: bool
    read_only: bool
    schema: str | None
    may_create: bool


class DatabaseUnsupported(Exception):
    """The database cannot be used; the message says why, and what to do."""


async def check(conn: AsyncConnection) -> None:
    """Raise DatabaseUnsupported if the programs would lose or corrupt data in it, or could not work."""
    is_sqlite = conn.dialect.name == "sqlite"
    for reason in await _sqlite_reasons(conn) if is_sqlite else of_postgresql(await _server_info(conn)):
        raise DatabaseUnsupported(reason)


async def check_for_revisions(conn: AsyncConnection) -> None:
    """Raise DatabaseUnsupported also if the revisions could not create the tables."""
    await check(conn)
    if is_pooled(conn.engine):
        raise DatabaseUnsupported(POOLED)
    if conn.dialect.name == "postgresql" and not (info := await _server_info(conn)).may_create:
        raise DatabaseUnsupported(
            f"its user may create no tables in the schema {info.schema}: GRANT CREATE ON SCHEMA to it"
        )


def of_postgresql(info: ServerInfo) -> Iterator[str]:
    """Yields the reasons against it, the worst first."""
    if info.number < OLDEST_POSTGRESQL:
        yield f"it is PostgreSQL {info.version}, which is older than {OLDEST_POSTGRESQL // 10_000}"
    if info.encoding != UTF8:
        yield (
            f"its encoding is {info.encoding}, which cannot hold every name and message: make one with"
            " CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and restore a dump of this one into it"
        )
    if info.standby:
        yield "it is a standby, which takes no writes: give the address of the primary"
    if info.read_only:
        yield (
            "it takes no writes: default_transaction_read_only is on for the server, the database or the user; some"
            " providers set it while the disk is full"
        )
    if info.schema is None:
        yield "there is no schema in the search_path of its user, or none that it may use"


async def _server_info(conn: AsyncConnection) -> ServerInfo:
    return ServerInfo(*(await conn.execute(POSTGRESQL)).one())


async def _sqlite_reasons(conn: AsyncConnection) -> list[str]:
    version = str(await conn.scalar(sa.text("SELECT sqlite_version()")))
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE:
        return [f"this Python comes with SQLite {version}, which is older than {'.'.join(map(str, OLDEST_SQLITE))}"]
    return []
