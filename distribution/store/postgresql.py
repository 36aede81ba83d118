"""Connections to PostgreSQL: to the first of several servers that will do, and behind a pooler such as PgBouncer.

A pooler gives each transaction the session of another. Nothing may be left in a session there, so statements have no
names and are not kept, and what a session would be told is told to each transaction. Whether there is one is found out
by the first connection: it shows another process than the one that answers.
"""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from distribution.store import connection_errors, libpq
from distribution.store.libpq import Host

SERVER_SETTINGS = {"timezone": "UTC"}
# A worker that is frozen or cut off in mid-transaction holds its locks; after this they are free for the others.
IDLE, IDLE_LIMIT = "idle_in_transaction_session_timeout", "30s"
PASSED_OVER = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)
"""After these the next server is tried, as libpq does it; a wrong password is wrong everywhere."""
WAY = "way"


class BehindPooler(Exception):
    """There is a pooler, and the connection was made as if there were none."""


class Unreachable(OSError):
    """None of several servers can be used; says of each why."""


class Pooled(asyncpg.Connection):  # type: ignore[misc]  # it ships no types
    """A connection to a pooler."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """As the driver's, with which it begins transactions: the limit of a session is set for each of them."""
        if query.startswith("BEGIN"):
            query = f"{query.rstrip('; ')}; SET LOCAL {IDLE} = '{IDLE_LIMIT}'"
        said: str = await super().execute(query, *args, **options)
        return said


POOLED: dict[str, Any] = {"statement_cache_size": 0, "connection_class": Pooled}
POOLED_STATEMENTS: dict[str, Any] = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""An empty name: a statement that the next one replaces."""


class Way:
    """How one engine connects; knows which server it used last, and whether there is a pooler."""

    def __init__(self, url: sa.URL, patient: bool) -> None:
        found = libpq.read(url)
        self._hosts = list(found.hosts)
        self._arguments = {name: value for name, value in found.arguments.items() if value is not None}
        self._arguments["server_settings"] = SERVER_SETTINGS | found.arguments["server_settings"]
        if patient:
            del self._arguments["command_timeout"]
        self._statements = found.statements
        self.pooled = found.pooled

    def dial(
        self, dialect: Dialect, _record: ConnectionPoolEntry, args: tuple[Any, ...], how: dict[str, Any]
    ) -> DBAPIConnection:
        """A connection, for SQLAlchemy's `do_connect`."""
        if not self.pooled:
            try:
                return dialect.connect(*args, **how, **self._statements)
            except BehindPooler:
                self.pooled = True
        return dialect.connect(*args, **how, **POOLED_STATEMENTS)

    async def connect(self, **_: object) -> Any:
        """A connection of the driver's to the first server that can be used; the last one used comes first."""
        failed: list[tuple[Host, Exception]] = []
        for host in tuple(self._hosts):
            try:
                made = await self._to(host)
            except PASSED_OVER as error:
                failed.append((host, error))
            else:
                self._hosts = [host, *(other for other in self._hosts if other != host)]
                return made
        raise _why(failed)

    async def _to(self, host: Host) -> Any:
        if self.pooled:
            return await asyncpg.connect(host=host.name, port=host.port, **self._arguments, **POOLED)
        settings = self._arguments["server_settings"] | {IDLE: IDLE_LIMIT}
        arguments = self._arguments | {"server_settings": settings}
        try:
            made = await asyncpg.connect(host=host.name, port=host.port, **arguments)
        except asyncpg.ProtocolViolationError:
            raise BehindPooler from None  # it refuses settings that it does not know
        # The count in what the server says of it; a statement with a result would be prepared, and leave it there.
        said = await made.execute(f"SELECT WHERE pg_backend_pid() = {made.get_server_pid():d}")
        if said == "SELECT 1":
            return made
        made.terminate()
        raise BehindPooler


def create_engine(url: sa.URL, patient: bool) -> AsyncEngine:
    """An engine for PostgreSQL; `patient`: a statement may take as long as it takes."""
    way = Way(url, patient)
    engine = create_async_engine(
        url.set(query={}),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"async_creator_fn": way.connect},
        execution_options={WAY: way},
    )
    event.listen(engine.sync_engine, "do_connect", way.dial)
    event.listen(engine.sync_engine, "handle_error", _hung_is_lost)
    return engine


def is_pooled(engine: AsyncEngine) -> bool:
    """Whether a pooler was found between us and the server; known once there was a connection."""
    way: Way | None = engine.sync_engine.get_execution_options().get(WAY)
    return way is not None and way.pooled


def _hung_is_lost(context: ExceptionContext) -> None:
    # Else each idle connection to a server that is no more would be tried in turn, for as long as a statement may take.
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


def _why(failed: list[tuple[Host, Exception]]) -> Exception:
    if len(failed) == 1:
        return failed[0][1]
    return Unreachable(
        "; ".join(
            f"{host.name}: {connection_errors.of_connecting(error) or type(error).__name__}" for host, error in failed
        )
    )
