"""Runs the revisions under a lock: of two processes that start together, one waits for the other.

On SQLite in one transaction, without foreign keys: a table that is rebuilt is dropped for a moment. On PostgreSQL one
transaction per revision: a revision keeps the tables that it altered locked until it is committed, and running workers
lock tables in another order. It waits for a lock only briefly, since other sessions queue behind it; then the
transaction is rolled back and tried again. Revisions of more than one step: migrations/non_blocking_ddl.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command, context
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.errors import DistributionError
from distribution.settings import SharedSettings, load
from distribution.store import database_address, database_requirements, db_errors, schema, schema_version
from distribution.store.engine import create_engine
from distribution.store.tables import metadata
from distribution.store.transactions import autocommit, reading, transaction, uncommitted
from migrations.program_compatibility import programs_on

MIGRATION_LOCK = 6_114_220_001
LOCK_TIMEOUT = "1s"
"""Other sessions that need a table queue behind us for as long as we wait for its lock."""
PAUSE_SECONDS = 0.5
LOOK = "another upgrade, or a transaction that is open for long, is in the way: waiting for it"

T = TypeVar("T")
log = logging.getLogger("migrations")


def run(conn: Connection) -> None:
    """Run the requested revisions on a connection from `alone`."""
    if conn.dialect.name == "sqlite":
        left_alone = _prepare(conn)
    else:
        # Alembic commits only if it finds no open transaction, such as that of an earlier attempt.
        conn.rollback()
        with conn.begin():
            left_alone = _prepare(conn)
    if left_alone:
        return
    context.configure(
        connection=conn,
        target_metadata=metadata,
        version_table=schema_version.VERSION_TABLE,
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=True,
        include_name=is_ours,
        on_version_apply=write_programs,
    )
    context.run_migrations()


def is_ours(name: str | None, kind: str, _: object) -> bool:
    """Whether `alembic check` and `--autogenerate` compare it: not the bookkeeping tables of Alembic and ours."""
    return kind != "table" or name in metadata.tables


def write_programs(ctx: Any, step: Any, heads: Collection[Any], run_args: Any) -> None:  # noqa: ARG001 - Alembic's names
    """Record with each revision, in its transaction, which programs run on it."""
    revision = next(iter(heads), None)
    schema_version.write(ctx.connection, revision, programs_on(context.script, revision))


def _prepare(conn: Connection) -> bool:
    """Whether the schema is newer than these revisions, and may stay so; raises SchemaError if not."""
    found = schema_version.stored(conn)
    if not schema.is_newer(found):
        schema_version.adopt(conn)
        return False
    if _is_upgrade() and found.runs(schema.known_revision()):
        log.warning("the schema %s is newer than this program, which runs on it: left as it is", found.revision)
        return True
    schema.check_on(conn)
    raise DistributionError(f"The schema {found.revision} is a newer release's: use the alembic of that release")


def _is_upgrade() -> bool:
    options = context.config.cmd_opts
    return bool(context.config.attributes.get("upgrading")) or (
        options is not None and options.cmd[0] is command.upgrade
    )


async def run_on(database_url: str) -> None:
    """Run the revisions on a database; other upgrades of it wait."""
    with without_secrets(database_url):  # it may name a missing file, such as a certificate
        engine = create_engine(database_url, patient=True)  # an index over years of contacts may take long
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _without_foreign_keys)
    else:
        event.listen(engine.sync_engine, "begin", _impatient_for_locks)
    try:
        with without_secrets(database_url):
            await patiently(lambda: check_requirements(engine))
        async with alone(engine) as conn:
            await patiently(lambda: conn.run_sync(run))
    finally:
        await engine.dispose()


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for the revisions; while it is in use, other upgrades of the same database wait."""
    async with AsyncExitStack() as stack:
        if engine.dialect.name == "sqlite":
            yield await patiently(lambda: stack.enter_async_context(transaction(engine)))
            return
        # A session-level lock, which ends with the session: the server ends a transaction that idles during a long one.
        holder = await stack.enter_async_context(autocommit(engine))
        conn = await stack.enter_async_context(uncommitted(engine))
        await _lock(holder)
        yield conn


async def _lock(holder: AsyncConnection) -> None:
    # Polled: an index that is built concurrently waits for every running statement, so also for one that waits for this
    # lock.
    said = False
    while not await holder.scalar(sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK))):
        if not said:
            log.warning(LOOK)
        said = True
        await asyncio.sleep(PAUSE_SECONDS)


@contextmanager
def without_secrets(database_url: str) -> Iterator[None]:
    """Raise DatabaseUnusable instead of any error: a traceback of the driver would quote the address."""
    try:
        yield
    except Exception as error:
        raise database_address.unusable(database_url, error) from None


async def check_requirements(engine: AsyncEngine) -> None:
    """Raise an error if the database cannot be reached or cannot hold the tables."""
    async with reading(engine) as conn:
        await database_requirements.check_for_revisions(conn)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Retry work for as long as other sessions hold what it needs; logs that once."""
    said = False
    while True:
        try:
            return await work()
        except Exception as error:
            if not db_errors.is_held_up(error):
                raise
            if not said:
                log.warning("%s (%s)", LOOK, db_errors.describe_error(error))
            said = True
        await asyncio.sleep(PAUSE_SECONDS)


def _without_foreign_keys(dbapi_connection: Any, _: object) -> None:
    # Within a transaction the pragma has no effect.
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    cursor.close()


def _impatient_for_locks(conn: Connection) -> None:
    if conn.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def run_from_shell() -> None:
    """Run the revisions for the command `alembic`; errors are printed in one line."""
    url = load_url()
    try:
        asyncio.run(run_on(url))
    except DistributionError as wrong:
        raise CommandError(str(wrong)) from None
    except Exception as error:
        if db_errors.classify(error) in (db_errors.Failure.BAD_DATA, db_errors.Failure.DEFECT):
            raise
        raise CommandError(str(database_address.unusable(url, error))) from None


def load_url() -> str:
    """Returns DATABASE_URL; only an upgrade creates a missing database."""
    try:
        url = load(SharedSettings).database_url.get_secret_value()
    except DistributionError as wrong:
        raise CommandError(str(wrong)) from None
    if not _is_upgrade() and (missing := database_address.missing_file(url)):
        raise CommandError(schema.no_file(missing))
    return url


if "database_url" in context.config.attributes:
    asyncio.run(run_on(context.config.attributes["database_url"]))
else:
    run_from_shell()
