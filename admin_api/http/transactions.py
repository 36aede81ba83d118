"""Changes: who asks for one, its transaction, and the waiting contacts that it lets be served."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.http.context import Context
from admin_api.http.etag import versions_seen
from admin_api.http.operation import ApiRequest
from distribution.allocation.assign_waiting import assign_waiting
from distribution.store.db_errors import describe_error
from distribution.store.transactions import run_in_transaction
from distribution.versions import Actor, Edit

T = TypeVar("T")


def edit_of(call: ApiRequest[Any, Any, Any]) -> Edit:
    """Who asks, and which versions of the object they have seen."""
    if call.identity is None:
        raise LookupError("an operation that is open to everybody cannot say who asks")
    return Edit(Actor(call.identity.role.value, call.identity.name), versions_seen(call.headers))


async def change(context: Context, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do work in one transaction, repeated where another one was in its way."""
    return await run_in_transaction(context.engine, context.random, work)


async def change_and_serve(context: Context, work: Callable[[AsyncConnection], Awaitable[Collection[int]]]) -> None:
    """Do work that returns which sources it could not serve to the end, and serve them in further transactions."""
    await serve_further(context, await change(context, work))


async def serve_further(context: Context, source_ids: Collection[int]) -> None:
    """Serve the waiting contacts of these sources, in as many transactions as it takes.

    The change is committed by then: where this fails, it is left to whatever serves these sources next.
    """
    unserved = bool(source_ids)
    try:
        while unserved:
            unserved = await change(context, lambda conn: _serve(conn, context, source_ids))
    except Exception as error:
        structlog.get_logger("admin_api").warning(
            "waiting_contacts_not_assigned", sources=source_ids, reason=describe_error(error)
        )


async def _serve(conn: AsyncConnection, context: Context, source_ids: Collection[int]) -> bool:
    return await assign_waiting(conn, context.random, source_ids=source_ids)
