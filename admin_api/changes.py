"""Changes that may let waiting contacts be served."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.context import Context
from distribution.services.serve import serve_waiting
from distribution.store.commit import commit
from distribution.store.failures import in_words

T = TypeVar("T")


async def change(context: Context, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do work in one transaction, repeated where another one was in its way."""
    return await commit(context.engine, context.random, work)


async def change_and_serve(context: Context, work: Callable[[AsyncConnection], Awaitable[Collection[int]]]) -> None:
    """Do work that answers which sources it could not serve to the end, and serve them in further transactions.

    The change is committed by then: where the rest fails, it is left to whatever serves these sources next.
    """
    source_ids = await change(context, work)
    unserved = bool(source_ids)
    try:
        while unserved:
            unserved = await change(context, lambda conn: _serve(conn, context, source_ids))
    except Exception as error:
        structlog.get_logger("admin_api").warning("waiting_left_over", sources=source_ids, reason=in_words(error))


async def _serve(conn: AsyncConnection, context: Context, source_ids: Collection[int]) -> bool:
    return await serve_waiting(conn, context.random, source_ids=source_ids)
