"""Connections to PostgreSQL: to the first usable one of several servers, or through a pooler such as PgBouncer.

A pooler may run each transaction in another session. Nothing may be left in a session then, so prepared statements have
no names and are not cached, and session settings are set in each transaction. The first connection detects a pooler: it
reports another server process than the one that runs the statement.
"""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from distribution.store import connection_error_text, libpq
from distribution.store.libpq import Host

SERVER_SETTINGS = {"timezone": "UTC"}
# A worker that freezes or loses its network in a transaction keeps its locks; after this time they are released.
IDLE, IDLE_LIMIT = "idle_in_transaction_session_timeout", "30s"
PASSED_OVER = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)
"""After these errors the next server is tried, as libpq does; a wrong password is wrong on every server."""
STRATEGY = "connect_strategy"


class BehindPooler(Exception):
    """The connection goes through a pooler, but was made for a direct one."""


class Unreachable(OSError):
    """None of several servers can be used; the message says why for each."""


class Pooled(asyncpg.Connection):  # type: ignore[misc]  # it ships no types
    """A connection to a pooler."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Execute as the driver does; sets the session's idle limit in each transaction that the driver begins."""
        if query.startswith("BEGIN"):
            query = f"{query.rstrip('; ')}; SET LOCAL {IDLE} = '{IDLE_LIMIT}'"
        status: str = await super().execute(query, *args, **options)
        return status


POOLED: dict[str, Any] = {"statement_cache_size": 0, "connection_class": Pooled}
POOLED_STATEMENTS: dict[str, Any] = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""`str` returns an empty name: each statement replaces the one before."""


class ConnectStrategy:
    """How one engine connects; remembers which server it used last, and whether there is a pooler."""

    def __init__(self, url: sa.URL, patient: bool) -> None:
        arguments = libpq.read(url)
        self._hosts = list(arguments.hosts)
        self._arguments = {name: value for name, value in arguments.arguments.items() if value is not None}
        self._arguments["server_settings"] = SERVER_SETTINGS | arguments.arguments["server_settings"]
        if patient:
            del self._arguments["command_timeout"]
        self._statements = arguments.statements
        self.pooled = arguments.pooled

    def dial(
        self, dialect: Dialect, _record: ConnectionPoolEntry, args: tuple[Any, ...], options: dict[str, Any]
    ) -> DBAPIConnection:
        """Returns a new connection, for SQLAlchemy's event `do_connect`."""
        if not self.pooled:
            try:
                return dialect.connect(*args, **options, **self._statements)
            except BehindPooler:
                self.pooled = True
        return dialect.connect(*args, **options, **POOLED_STATEMENTS)

    async def connect(self, **_: object) -> Any:
        """Returns a driver connection to the first usable server; the one used last is tried first."""
        failures: list[tuple[Host, Exception]] = []
        for host in tuple(self._hosts):
            try:
                connection = await self._connect_to(host)
            except PASSED_OVER as error:
                failures.append((host, error))
            else:
                self._hosts = [host, *(other for other in self._hosts if other != host)]
                return connection
        raise _connect_error(failures)

    async def _connect_to(self, host: Host) -> Any:
        if self.pooled:
            return await asyncpg.connect(host=host.name, port=host.port, **self._arguments, **POOLED)
        settings = self._arguments["server_settings"] | {IDLE: IDLE_LIMIT}
        arguments = self._arguments | {"server_settings": settings}
        try:
            connection = await asyncpg.connect(host=host.name, port=host.port, **arguments)
        except asyncpg.ProtocolViolationError:
            raise BehindPooler from None  # it refuses settings that it does not know
        # Reads the row count in the command tag: a statement with a result would be prepared and left in the session.
        status = await connection.execute(f"SELECT WHERE pg_backend_pid() = {connection.get_server_pid():d}")
        if status == "SELECT 1":
            return connection
        connection.terminate()
        raise BehindPooler


def create_engine(url: sa.URL, patient: bool) -> AsyncEngine:
    """Returns an engine for PostgreSQL; `patient`: statements have no time limit."""
    strategy = ConnectStrategy(url, patient)
    engine = create_async_engine(
        url.set(query={}),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"async_creator_fn": strategy.connect},
        execution_options={STRATEGY: strategy},
    )
    event.listen(engine.sync_engine, "do_connect", strategy.dial)
    event.listen(engine.sync_engine, "handle_error", _treat_timeout_as_disconnect)
    return engine


def is_pooled(engine: AsyncEngine) -> bool:
    """Whether there is a pooler between us and the server; known after the first connection."""
    strategy: ConnectStrategy | None = engine.sync_engine.get_execution_options().get(STRATEGY)
    return strategy is not None and strategy.pooled


def _treat_timeout_as_disconnect(context: ExceptionContext) -> None:
    # Else each idle connection to a lost server would be tried in turn, each until the time limit of a statement.
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


def _connect_error(failures: list[tuple[Host, Exception]]) -> Exception:
    if len(failures) == 1:
        return failures[0][1]
    return Unreachable(
        "; ".join(
            f"{host.name}: {connection_error_text.of_connecting(error) or type(error).__name__}"
            for host, error in failures
        )
    )
