"""Whether the database can be used; concurrent requests share one check, since they need no token."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import SchemaError
from distribution.store import schema
from distribution.store.db_errors import describe_error

READY_SECONDS = 2.0
KEPT_SECONDS = 0.25


class Readiness:
    """The last result, kept for KEPT_SECONDS."""

    def __init__(self) -> None:
        self._check: asyncio.Task[str | None] | None = None
        self._kept_until = 0.0

    async def problem(self, engine: AsyncEngine) -> str | None:
        """Returns why the database cannot be used; None if it can."""
        loop = asyncio.get_running_loop()
        if self._check is None or (self._check.done() and loop.time() >= self._kept_until):
            self._check = asyncio.create_task(self._run_check(engine))
        return await asyncio.shield(self._check)

    async def _run_check(self, engine: AsyncEngine) -> str | None:
        problem = await _problem(engine)
        self._kept_until = asyncio.get_running_loop().time() + KEPT_SECONDS
        return problem


async def _problem(engine: AsyncEngine) -> str | None:
    check = asyncio.create_task(schema.check(engine))
    await asyncio.wait({check}, timeout=READY_SECONDS)
    if not check.done():
        # Not awaited: a driver may take long to give up a connection that hangs.
        check.cancel()
        return f"The database does not answer within {READY_SECONDS:.0f} s."
    error = check.exception()
    if error is None:
        return None
    if isinstance(error, SchemaError):
        return str(error)
    return f"The database cannot be used: {describe_error(error) if isinstance(error, Exception) else 'cancelled'}"
