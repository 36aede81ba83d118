"""Limits waits for locks of other transactions, and finds their holders. On SQLite the transaction is the only lock."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.dialects import IDS, POSTGRESQL, TEXTS
from distribution.store.tables import metadata, operators, source_operators, sources

LIMIT_WAIT = sa.select(
    sa.func.set_config("lock_timeout", sa.bindparam("wait", type_=sa.Text), sa.true()),
    sa.func.pg_backend_pid(type_=sa.Integer),
)
IDLE_SECONDS, STATEMENT_SECONDS, TRANSACTION_SECONDS = 1.0, 2.0, 10.0
"""A transaction holds its locks for long if it is idle, runs one statement, or lasts for longer than this."""
# Each of these blocks every writer, even while it is only requested: later requests queue behind it.
EXCLUDING = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
TABLE_LOCKS = sa.text(
    "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
    " WHERE l.locktype = 'relation' AND l.pid <> pg_backend_pid() AND l.mode = ANY(:modes)"
    " AND l.relation IN (SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name)"
    " ORDER BY c.relname LIMIT 1"
)
# The sessions at the head of the queue that a process waits in: those that are not blocked themselves. The age of a
# transaction alone says little: one that has just got its lock may have waited for it for seconds. pid 0 is a prepared
# transaction. Only a member of pg_read_all_stats sees the state of other roles' sessions: without it, those count as
# holding their locks for long, once the wait is over.
BLOCKERS = sa.text(
    "WITH RECURSIVE blocking(pid) AS ("
    " SELECT unnest(pg_blocking_pids(:pid))"
    " UNION SELECT further.pid FROM blocking, unnest(pg_blocking_pids(blocking.pid)) AS further(pid))"
    " SELECT bool_or(b.pid = 0 OR (a.pid IS NOT NULL AND (a.state IS NULL"
    " OR (a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - make_interval(secs => :idle))"
    " OR (a.state = 'active' AND a.query_start < clock_timestamp() - make_interval(secs => :statement))"
    " OR a.xact_start < clock_timestamp() - make_interval(secs => :transaction))))"
    " FROM blocking b LEFT JOIN pg_stat_activity a ON a.pid = b.pid WHERE pg_blocking_pids(b.pid) = '{}'"
).bindparams(
    sa.bindparam("pid", type_=sa.Integer),
    sa.bindparam("idle", IDLE_SECONDS, sa.Double),
    sa.bindparam("statement", STATEMENT_SECONDS, sa.Double),
    sa.bindparam("transaction", TRANSACTION_SECONDS, sa.Double),
)
NAMED_SOURCES = sa.select(sources.c.id, sources.c.code).where(sources.c.code.in_(sa.select(TEXTS.c.text)))
FREE_SOURCES = NAMED_SOURCES.with_for_update(key_share=True, skip_locked=True)
NEEDED_OPERATORS = sa.select(source_operators.c.source_id, source_operators.c.operator_id).where(
    source_operators.c.source_id.in_(sa.select(IDS.c.id))
)
FREE_OPERATORS = (
    sa.select(operators.c.id)
    .where(operators.c.id.in_(NEEDED_OPERATORS.with_only_columns(source_operators.c.operator_id)))
    .with_for_update(key_share=True, skip_locked=True)
)


async def limit_wait(conn: AsyncConnection, seconds: float) -> int | None:
    """Let each statement of this transaction wait at most this long for a lock; then it fails as Failure.LOCKED.

    Returns the id of the server's process, for `is_held_long`; None on SQLite.
    """
    if conn.dialect.name != POSTGRESQL:
        return None
    row = (await conn.execute(LIMIT_WAIT, {"wait": f"{int(seconds * 1000)}ms"})).one()
    pid: int = row[1]
    return pid


async def is_held_long(conn: AsyncConnection, pid: int) -> bool | None:
    """Whether another session has held for long what this server process waits for; None if no session holds it.

    False: it is in a queue of short transactions, and will get its turn.
    """
    is_long: bool | None = await conn.scalar(BLOCKERS, {"pid": pid})
    return is_long


async def locked_table(conn: AsyncConnection) -> str | None:
    """Describes a lock of another session that blocks all writers of one of our tables; None if there is none."""
    if conn.dialect.name != POSTGRESQL:
        return None
    result = await conn.execute(TABLE_LOCKS, {"modes": list(EXCLUDING), "names": [*metadata.tables]})
    row = result.first()
    return None if row is None else f"another session holds or wants {row.mode} on the table {row.relname}"


async def locked_sources(conn: AsyncConnection, codes: Collection[str]) -> set[str]:
    """Returns those sources that cannot be locked now with all their operators; does not wait.

    Locks the others until the transaction ends, so end it at once.
    """
    if conn.dialect.name != POSTGRESQL or not codes:
        return set()
    code_parameters = TEXTS.bound(conn, sorted(codes))
    ids = {row.id: row.code for row in await conn.execute(NAMED_SOURCES, code_parameters)}
    free = set(await conn.scalars(FREE_SOURCES, code_parameters))
    id_parameters = IDS.bound(conn, sorted(ids))
    pairs = (await conn.execute(NEEDED_OPERATORS, id_parameters)).all()
    free_operators = set(await conn.scalars(FREE_OPERATORS, id_parameters))
    stuck = {source_id for source_id, operator_id in pairs if operator_id not in free_operators}
    return {code for source_id, code in ids.items() if source_id not in free or source_id in stuck}
