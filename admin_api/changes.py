"""Transactions that are repeated when they lose a race, and the waiting contacts that they serve."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.context import Context
from distribution.services.serve import serve_waiting
from distribution.store.engine import transaction
from distribution.store.failures import Failure, classify, in_words

T = TypeVar("T")

RACES = 8
FIRST_PAUSE_SECONDS = 0.01


async def change(context: Context, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do work in one transaction; again from the start where another transaction was in its way."""
    for attempt in range(RACES - 1):
        try:
            return await _once(context, work)
        except Exception as error:
            if classify(error) is not Failure.RACE:
                raise
            structlog.get_logger("admin_api").info("change_repeated", reason=in_words(error), attempt=attempt + 1)
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * context.random.random())
    return await _once(context, work)


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


async def _once(context: Context, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async with transaction(context.engine) as conn:
        return await work(conn)


async def _serve(conn: AsyncConnection, context: Context, source_ids: Collection[int]) -> bool:
    return await serve_waiting(conn, context.random, source_ids=source_ids)
